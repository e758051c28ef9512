"""One control plane, two zones, an OpenStack in each: nothing of one is ever told to the other.

Each cloud logs every request with its whole body and its token: what is not there it was not told.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.end_to_end.plane import Place
from tests.end_to_end.test_openstack import IMAGE
from tests.end_to_end.test_two_zones import ZONES, life
from tests.end_to_end.town import Town
from tests.labs.openstack.cloud import Cloud
from tests.pools.openstack_ground import pool, room
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.labs.openstack.build import Built

pytestmark = [pytest.mark.openstack, pytest.mark.xdist_group("end-to-end")]


class Zone:
    """The cloud of one zone, and the account that cloudmgr has there."""

    def __init__(self, name: str, lab: Cloud) -> None:
        self.name = name
        self.lab = lab
        self.before = len(lab.requests())
        room(lab)
        self.clouds = lab.account(f"cloudmgr-{name}", ("cloudmgr", "reader"))

    def pool(self) -> dict[str, Any]:
        return {
            "name": f"cloud-{self.name}",
            "kind": "openstack",
            "zone": self.name,
            "settings": pool(self.lab, self.clouds, self.name),
        }

    def credential(self) -> dict[str, str]:
        found: dict[str, str] = yaml.safe_load(self.clouds.read_text())["clouds"]["lab"]["auth"]
        return found

    def asked(self) -> list[dict[str, Any]]:
        """What cloudmgr asked of its services."""
        log = self.lab.requests()[self.before :]
        return [entry for entry in log if entry["agent"].startswith("cloudmgr")]


@pytest.fixture
def zones(
    tmp_path: Path, openstack_lab: Cloud, openstack_built: Built
) -> Iterator[dict[str, Zone]]:
    extranet, intranet = ZONES
    second = Cloud(tmp_path / intranet, openstack_built, hosts=0)
    try:
        second.start()
        with openstack_lab.listening(), second.listening():
            yield {extranet: Zone(extranet, openstack_lab), intranet: Zone(intranet, second)}
    finally:
        second.stop()


@pytest.fixture
def place(tmp_path: Path, zones: dict[str, Zone]) -> Iterator[Place]:
    made = Place(tmp_path / "place", pools=[zone.pool() for zone in zones.values()])
    made.init()
    try:
        yield made
    finally:
        made.down()


def test_each_zones_cloud_is_told_of_its_own_and_of_nothing_else(
    place: Place, zones: dict[str, Zone]
) -> None:
    plane = place.plane().start()
    towns = {name: Town(place, plane, code, name) for name, code in ZONES.items()}
    with ThreadPoolExecutor() as both:
        lives = both.map(lambda name: life(place, plane, towns[name], name, IMAGE), ZONES)
        environments = dict(zip(ZONES, lives, strict=True))
    for name, environment in environments.items():
        towns[name].retire(plane, environment["id"])
    operator = plane.api(towns["extranet"].tokens["operator"])
    until(lambda: not list(operator.items("/environments")), seconds=120, what="the end of both")
    assert plane.stop() == 0

    tokens: dict[str, set[str]] = {}
    for name, zone in zones.items():
        (other,) = (each for each in ZONES if each != name)
        asked, own, foreign = zone.asked(), environments[name], environments[other]
        tokens[name] = {entry["token"] for entry in asked} - {""}
        assert tokens[name]
        told = "\n".join(f"{e['path']}?{e['query']} {e['body']}" for e in asked)
        for word in (
            own["id"],
            towns[name].department,
            zone.credential()["application_credential_id"],
        ):
            assert word in told, f"{name} was told of its own {word}"
        for word in (
            foreign["id"],
            foreign["host"],
            towns[other].system,
            towns[other].department,
            ZONES[other],
            *zones[other].credential().values(),
        ):
            assert word not in told, f"{name} was told of {word}"
        # Discovery comes without a token. Whoever comes with a foreign one is not let in.
        assert 401 not in {e["status"] for e in asked if e["token"]}
    assert not tokens["extranet"] & tokens["intranet"]
