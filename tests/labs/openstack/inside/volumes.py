"""The cinder driver of the lab: a volume is a directory, which a guest has below its root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from cinder.volume import driver

PLACE = Path(os.environ["LAB_VOLUMES"])
CAPACITY_GIB = 1000


class Volumes(driver.VolumeDriver):
    """Knows how much it gives, and gives it to whoever cinder lets have it."""

    VERSION = "1"

    def check_for_setup_error(self) -> None:
        PLACE.mkdir(exist_ok=True)

    def _update_volume_stats(self) -> None:
        self._stats = {
            "volume_backend_name": "lab",
            "vendor_name": "cloudmgr",
            "driver_version": self.VERSION,
            "storage_protocol": "lab",
            "total_capacity_gb": CAPACITY_GIB,
            "free_capacity_gb": CAPACITY_GIB,
            "reserved_percentage": 0,
        }

    def create_volume(self, volume: Any) -> None:
        (PLACE / volume.id).mkdir()

    def delete_volume(self, volume: Any) -> None:
        shutil.rmtree(PLACE / volume.id, ignore_errors=True)

    def extend_volume(self, volume: Any, new_size: int) -> None: ...

    def ensure_export(self, context: Any, volume: Any) -> None: ...

    def create_export(self, context: Any, volume: Any, connector: Any) -> None: ...

    def remove_export(self, context: Any, volume: Any) -> None: ...

    def initialize_connection(self, volume: Any, connector: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"driver_volume_type": "lab", "data": {"volume_id": volume.id}}

    def terminate_connection(self, volume: Any, connector: Any, **_: Any) -> None: ...
