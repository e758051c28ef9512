"""What the lab promises of volumes, seen."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.labs.openstack.cloud import Cloud
    from tests.labs.openstack.room import Room

pytestmark = pytest.mark.openstack


class Disk:
    """A volume of one GiB."""

    def __init__(self, lab: Cloud) -> None:
        self._api = lab.api("block-storage")
        body = {"size": 1, "name": f"v-{secrets.token_hex(3)}"}
        self.number = str(lab.make("block-storage", "volume", body)["id"])

    def until(self, status: str) -> dict[str, Any]:
        def is_so() -> dict[str, Any] | None:
            answer = self._api.get(f"/volumes/{self.number}").raise_for_status()
            found: dict[str, Any] = answer.json()["volume"]
            assert found["status"] == status or not found["status"].startswith("error"), found
            return found if found["status"] == status else None

        return until(is_so, seconds=60, what=f"a volume that is {status}")

    def extend(self, gib: int) -> int:
        path = f"/volumes/{self.number}/action"
        return self._api.post(path, json={"os-extend": {"new_size": gib}}).status_code

    def delete(self) -> int:
        return self._api.delete(f"/volumes/{self.number}").status_code

    def gone(self) -> bool:
        return self._api.get(f"/volumes/{self.number}").status_code == 404


@pytest.fixture
def disk(openstack_lab: Cloud) -> Iterator[Disk]:
    made = Disk(openstack_lab)
    made.until("available")
    yield made
    made.until("available")
    made.delete()
    until(made.gone, what="a volume that is gone")


def test_what_one_server_wrote_on_a_volume_the_next_one_reads(room: Room, disk: Disk) -> None:
    first = room.boot(volume=disk.number)
    disk.until("in-use")
    first.get("/put?kept")
    first.act("shelve")
    first.until("SHELVED_OFFLOADED")
    first.act("unshelve")
    first.until("ACTIVE")
    assert first.get("/get") == "kept"
    first.delete()
    disk.until("available")
    second = room.boot(volume=disk.number)
    assert second.get("/get") == "kept"
    second.delete()


def test_a_volume_grows_only_while_nobody_has_it(room: Room, disk: Disk) -> None:
    assert disk.extend(3) == 202
    assert disk.until("available")["size"] == 3
    server = room.boot(volume=disk.number)
    disk.until("in-use")
    assert disk.extend(4) == 400
    assert disk.delete() == 400
    server.delete()


def test_a_server_that_does_not_find_its_volume_does_not_start(room: Room, disk: Disk) -> None:
    server = room.boot(volume=disk.number, attached=False)
    until(lambda: "emergency mode" in server.console(), what="a word of it")
    assert server.silent()
    server.delete()
