"""What boots in the OpenStack lab without cloudmgr, and how it is looked at."""

from __future__ import annotations

import base64
from contextlib import suppress
from dataclasses import dataclass
from http.client import RemoteDisconnected
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.pools.grounds import fetch
from tests.waiting import until

if TYPE_CHECKING:
    from tests.labs.openstack.cloud import Cloud

PORT = 8080


@dataclass
class Room:
    """A network and two flavors in the lab, and what boots there."""

    lab: Cloud
    network: str
    small: str
    large: str

    def boot(
        self,
        image: str = "lab-web:1",
        *,
        wait: str = "ACTIVE",
        volume: str = "",
        attached: bool = True,
    ) -> Server:
        """:param volume: what it is told to have at ``/data``; it has it if ``attached``."""
        environment = (
            f'PORT="{PORT}"\nCONFIG_DIR="/etc/cloudmgr/config"\n'
            'GREETING="\\"100 \\$\\" \\\\ \\`x\\`\nand more"\n'
        )
        files = [
            {"path": "/etc/cloudmgr/environment", "content": environment},
            {
                "path": "/etc/cloudmgr/config/motto",
                "content": base64.b64encode("少".encode()).decode(),
                "encoding": "b64",
            },
        ]
        config: dict[str, Any] = {"write_files": files}
        if volume:
            environment += 'DATA_DIR="/data"\n'
            files[0]["content"] = environment
            config["mounts"] = [[f"/dev/disk/by-id/virtio-{volume[:20]}", "/data", "ext4"]]
        told = "#cloud-config\n" + yaml.safe_dump(config)
        (found,) = self.lab.find("image", "images", name=f"eq:{image}")
        body = {
            "name": image.split(":", maxsplit=1)[0],
            "imageRef": found["id"],
            "flavorRef": self.small,
            "networks": [{"uuid": self.network}],
            "user_data": base64.b64encode(told.encode()).decode(),
        }
        if volume and attached:
            disk = {"boot_index": 0, "uuid": found["id"], "source_type": "image"}
            more = {"boot_index": -1, "uuid": volume, "source_type": "volume"}
            body["block_device_mapping_v2"] = [
                {**disk, "destination_type": "local", "delete_on_termination": True},
                {**more, "destination_type": "volume", "delete_on_termination": False},
            ]
        server = Server(self.lab, str(self.lab.make("compute", "server", body)["id"]))
        server.until(wait)
        return server


@dataclass
class Server:
    lab: Cloud
    number: str

    def look(self) -> dict[str, Any]:
        answer = self.lab.api("compute").get(f"/servers/{self.number}").raise_for_status()
        found: dict[str, Any] = answer.json()["server"]
        return found

    def until(self, status: str) -> dict[str, Any]:
        """It is so, and nothing is being done to it."""

        def is_so() -> dict[str, Any] | None:
            found = self.look()
            idle = found["OS-EXT-STS:task_state"] is None
            assert found["status"] != "ERROR" or status == "ERROR", found["fault"]
            return found if idle and found["status"] == status else None

        return until(is_so, seconds=90, what=f"a server that is {status}")

    def act(self, what: str, **how: Any) -> Any:
        path = f"/servers/{self.number}/action"
        answer = self.lab.api("compute").post(path, json={what: how or None})
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    @property
    def address(self) -> str:
        (only,) = (each for each in self.look()["addresses"].values())
        return str(only[0]["addr"])

    def get(self, path: str = "/") -> str:
        """Waits until its program listens."""
        address = self.address

        def ask() -> str | None:
            with suppress(ConnectionRefusedError):
                return fetch(address, PORT, path)[1]
            return None

        return until(ask, what=f"{address}{path}")

    def variables(self) -> dict[str, str]:
        lines = self.get().split("\n")
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def leave(self, status: int) -> None:
        with pytest.raises(RemoteDisconnected):
            self.get(f"/exit?{status}")

    def console(self) -> str:
        return str(self.act("os-getConsoleOutput", length=50)["output"])

    def silent(self) -> bool:
        try:
            fetch(self.address, PORT, "/")
        except ConnectionRefusedError:
            return True
        return False

    def delete(self) -> None:
        api = self.lab.api("compute")
        api.delete(f"/servers/{self.number}")
        until(
            lambda: api.get(f"/servers/{self.number}").status_code == 404,
            seconds=90,
            what="a server that is gone",
        )
