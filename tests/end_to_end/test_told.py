"""What a component is told: asked for, signed, set, and there where it runs; never shown again."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.policy.default import packaged_policies
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.end_to_end.plane import CLI, Place
from tests.end_to_end.test_whole import served, visit
from tests.end_to_end.town import Town
from tests.pools.grounds import RUN_APP
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.end_to_end.plane import Plane
    from tests.labs.kubernetes.controlplane import ControlPlane

pytestmark = pytest.mark.xdist_group("end-to-end")

FIRST, SECOND = "correct horse battery", "staple 电池"
TOLD: dict[str, Any] = {
    "files": {"app.ini": "year = 2027"},
    "secrets": ["DB_PASSWORD"],
    "bindings": ["sso"],
    "health_path": "/health",
}
IMAGE: dict[str, Any] = {"command": [], "image": "lab/web:1", "port": 8080, "storage_gib": 0}
FORMS = """
  - name: forms
    zh: 电子表单
    en: electronic forms
    zone: extranet
    environment: exam-prod
    component: web
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    made.init()
    yield made
    made.down()


def set_secret(plane: Plane, token: str, environment: str, value: str) -> None:
    """As a person at a command line would, from a pipe."""
    subprocess.run(
        [*CLI, "env", "set-secret", environment, "DB_PASSWORD"],
        input=value.encode() + b"\n",
        env={
            **plane.place.environment,
            "CLOUDMGR_URL": f"http://127.0.0.1:{plane.port}",
            "CLOUDMGR_TOKEN": token,
        },
        check=True,
        capture_output=True,
    )


def shown_nowhere(place: Place, plane: Plane) -> None:
    """Neither on disk where no replica has it, nor in what was logged."""
    told = [plane.log, *place.state.glob("cloudmgr.db*")]
    for file in told:
        content = file.read_bytes()
        for value in (FIRST, SECOND):
            assert value.encode() not in content, f"{file} tells"
            assert value.encode("unicode_escape") not in content, f"{file} tells"


def a_life(place: Place, plane: Plane, town: Town, **component: Any) -> str:
    """Asked for, waited for, told, told otherwise; the id of the environment."""
    officer, operator = (plane.api(town.tokens[who]) for who in ("officer", "operator"))
    asked = town.signed(plane, town.request("prod", **{**TOLD, **component}))
    environment, path = asked["environment_id"], f"/environments/{asked['environment_id']}"
    until(lambda: officer.get(path)["state"] == "waiting", what="that it waits for its secret")
    (secret,) = officer.get(f"{path}/secrets")["secrets"]
    assert (secret["name"], secret["has_value"]) == ("DB_PASSWORD", False)

    set_secret(plane, town.tokens["officer"], environment, FIRST)
    found = town.ready(operator, environment)
    host = found["host"]
    until(lambda: served(place, host), what="the route")

    def said() -> list[str]:
        return visit(place, host).text.splitlines()

    assert f"DB_PASSWORD={FIRST}" in said()
    assert "SSO_HOST=sso.example.gov.cn" in said()
    assert "SSO_PORT=443" in said()
    assert visit(place, host, "/read?app.ini").text == "year = 2027"

    plane.kill()
    plane.start()
    set_secret(plane, town.tokens["officer"], environment, SECOND)
    until(lambda: f"DB_PASSWORD={SECOND}" in said(), what="the other value")
    town.ready(operator, environment)
    (secret,) = plane.api(town.tokens["officer"]).get(f"{path}/secrets")["secrets"]
    assert secret["set_by_login"] == "officer-exam"
    shown_nowhere(place, plane)
    return str(environment)


def test_what_a_process_is_told(place: Place) -> None:
    plane = place.plane().start()
    town = Town(place, plane)
    environment = a_life(place, plane, town, command=list(RUN_APP))
    town.retire(plane, environment)
    api = plane.api(town.tokens["operator"])
    until(lambda: not list(api.items("/environments")), what="the end of the environment")
    assert plane.stop() == 0


@pytest.mark.kubernetes
def test_what_a_pod_is_told_and_one_environment_that_serves_another(
    tmp_path: Path, kubernetes_lab: ControlPlane, kubernetes_rights: Path
) -> None:
    room = kubernetes_lab.room("told", cpu="8", memory="8Gi")
    settings = {
        "kubeconfig": str(kubernetes_rights),
        "prefix": "told",
        "node_selector": room,
        "spare_nodes": 0,
    }
    pool = {"name": "k8s", "kind": "kubernetes", "zone": "extranet", "settings": settings}
    place = Place(tmp_path, pools=[pool])
    policies = tmp_path / "policies"
    shutil.copytree(packaged_policies(), policies)
    with (policies / "services.yaml").open("a", encoding="utf-8") as file:
        file.write(FORMS)
    place.environment["CLOUDMGR_POLICY_DIR"] = str(policies)
    place.init()
    try:
        plane = place.plane().start()
        town = Town(place, plane)
        forms = a_life(place, plane, town, **IMAGE)

        user = town.hosted(
            plane,
            "test",
            purpose="test",
            **{**IMAGE, "health_path": "/health", "bindings": ["forms"]},
        )
        until(lambda: served(place, user["host"]), what="the route to the other")
        said = visit(place, user["host"]).text.splitlines()
        assert f"FORMS_HOST=web.{namespace_of('told', forms)}.svc" in said
        assert "FORMS_PORT=80" in said
        namespaces = (namespace_of("told", id_) for id_ in (user["id"], forms))
        with kubernetes_lab.client() as api:
            out, into = (
                api.get(f"/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/web")
                .raise_for_status()
                .json()["spec"]
                for name in namespaces
            )
        (way,) = out["egress"]
        assert way["to"][0]["namespaceSelector"]["matchLabels"]["cloudmgr.io/environment"] == forms
        (users,) = [rule["from"] for rule in into["ingress"]]
        assert users[0]["podSelector"] == {"matchLabels": {"cloudmgr.io/binds.forms": "true"}}
        assert plane.stop() == 0
    finally:
        place.down()
