"""The driver against a real apiserver, where things do not go as they ought to."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes


def namespace(ground: KubernetesGround, environment_id: str = "env_exam") -> str:
    return namespace_of(ground.prefix, environment_id)


def requests(ground: KubernetesGround, *verbs: str) -> list[dict[str, Any]]:
    """What was asked of the apiserver by this ground's driver, but for another's environments."""
    return [
        entry
        for entry in ground.lab.requests()
        if entry["userAgent"] == "cloudmgr"
        and entry["verb"] in verbs
        and namespace(ground) in entry["requestURI"]
    ]


def test_a_second_apply_makes_no_write(ground: KubernetesGround) -> None:
    wanted = workload(ground.web(replicas=2), ground.web(name="store", storage_gib=1))
    ground.driver.apply(wanted)
    settled(ground.driver, 3)
    before = len(requests(ground, "patch", "create", "update", "delete"))
    ground.driver.apply(wanted)
    assert len(requests(ground, "patch", "create", "update", "delete")) == before
    assert before > 0


def test_scaling_is_one_write(ground: KubernetesGround) -> None:
    ground.driver.apply(workload(ground.web(replicas=1)))
    settled(ground.driver, 1)
    before = len(requests(ground, "patch"))
    ground.driver.apply(workload(ground.web(replicas=4)))
    assert observed(ground.driver).digest == workload(ground.web(replicas=4)).digest
    settled(ground.driver, 4)
    (scale,) = requests(ground, "patch")[before:]
    assert scale["objectRef"]["subresource"] == "scale"


@pytest.mark.parametrize(
    "path",
    [
        "/apis/apps/v1/namespaces/{}/deployments/web",
        "/api/v1/namespaces/{}/services/web",
        "/api/v1/namespaces/{}/resourcequotas/cloudmgr",
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/cloudmgr",
    ],
)
def test_what_somebody_else_removed_is_seen_and_comes_back(
    ground: KubernetesGround, path: str
) -> None:
    wanted = workload(ground.web())
    ground.driver.apply(wanted)
    settled(ground.driver, 1)
    with ground.lab.client() as api:
        api.delete(path.format(namespace(ground))).raise_for_status()
    until(lambda: observed(ground.driver).digest != wanted.digest)
    ground.driver.apply(wanted)
    until(lambda: observed(ground.driver).digest == wanted.digest)
    settled(ground.driver, 1)


def test_what_somebody_else_scaled_is_seen(ground: KubernetesGround) -> None:
    wanted = workload(ground.web(replicas=2))
    ground.driver.apply(wanted)
    settled(ground.driver, 2)
    path = f"/apis/apps/v1/namespaces/{namespace(ground)}/deployments/web/scale"
    with ground.lab.client() as api:
        api.patch(
            path,
            params={"fieldManager": "kubectl-scale"},
            json={"spec": {"replicas": 1}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    until(lambda: observed(ground.driver).digest != wanted.digest)
    assert observed(ground.driver).drift == ("Deployment web: spec.replicas by kubectl-scale",)
    ground.driver.apply(wanted)
    assert observed(ground.driver).digest == wanted.digest
    settled(ground.driver, 2)


def test_what_somebody_else_changed_is_told_and_put_right_or_left(
    ground: KubernetesGround,
) -> None:
    wanted = replace(workload(ground.web()), corrects_drift=False)
    ground.driver.apply(wanted)
    settled(ground.driver, 1)
    path = f"/apis/apps/v1/namespaces/{namespace(ground)}/deployments/web"
    spec = {"template": {"spec": {"containers": [{"name": "web", "image": "lab/sleep:1"}]}}}
    with ground.lab.client() as api:
        api.patch(
            path,
            params={"fieldManager": "kubectl-edit"},
            json={"spec": spec},
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        ).raise_for_status()

        said = "Deployment web: spec.template.spec.containers[name=web].image by kubectl-edit"
        until(lambda: observed(ground.driver).drift == (said,))
        assert observed(ground.driver).digest == wanted.digest, "it is left as it is"
        wanted = replace(wanted, corrects_drift=True)
        ground.driver.apply(wanted)
        assert observed(ground.driver).drift == ()
        image = api.get(path).json()["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == ground.web().image
    assert observed(ground.driver).digest == wanted.digest


def test_what_would_be_put_right_is_told_beforehand(ground: KubernetesGround) -> None:
    wanted = workload(ground.web())
    new = ground.driver.preview(wanted)
    assert {(c.path, c.before) for c in new} == {("", "")}, "all of it would come"
    assert "Deployment web" in {c.what for c in new}
    assert ground.driver.observe(wanted.environment_id) is None, "and nothing has"
    ground.driver.apply(wanted)
    settled(ground.driver, 1)
    assert ground.driver.preview(wanted) == []

    path = f"/apis/apps/v1/namespaces/{namespace(ground)}/deployments/web"
    spec = {"template": {"spec": {"containers": [{"name": "web", "image": "lab/sleep:1"}]}}}
    with ground.lab.client() as api:
        api.patch(
            path,
            params={"fieldManager": "kubectl-edit"},
            json={"spec": spec},
            headers={"Content-Type": "application/strategic-merge-patch+json"},
        ).raise_for_status()
        until(lambda: observed(ground.driver).drift)
        version = api.get(path).json()["metadata"]["generation"]
        (change,) = ground.driver.preview(wanted)
        assert api.get(path).json()["metadata"]["generation"] == version, "nothing is written"
    assert (change.what, change.before, change.after) == (
        "Deployment web", '"lab/sleep:1"', '"lab/web:1"',
    )  # fmt: skip
    assert change.path == "spec.template.spec.containers[name=web].image"
    (other,) = ground.driver.preview(workload(ground.web(image="lab/web:2")))
    assert other.path == change.path, "what is noted besides is not told"
    scaled = ground.driver.preview(workload(ground.web(replicas=3)))
    assert [(c.path, c.before, c.after) for c in scaled if "replicas" in c.path] == [
        ("spec.replicas", "1", "3")
    ]
    (gone,) = [
        c for c in ground.driver.preview(workload(ground.worker())) if c.what == "Service web"
    ]
    assert (gone.before, gone.after) == ("{}", "")


def test_nothing_is_left_behind(ground: KubernetesGround) -> None:
    ground.driver.apply(workload(ground.web(), ground.web(name="store", storage_gib=1)))
    settled(ground.driver, 2)
    ground.driver.remove("env_exam")
    until(lambda: ground.driver.observe("env_exam") is None)
    with ground.lab.client() as api:
        assert api.get(f"/api/v1/namespaces/{namespace(ground)}").status_code == 404
        until(
            lambda: (
                not [
                    volume
                    for volume in api.get("/api/v1/persistentvolumes").json()["items"]
                    if volume["spec"]["claimRef"]["namespace"] == namespace(ground)
                ]
            ),
            what="the end of its volumes",
        )


def test_an_apiserver_that_is_away_is_said_and_found_again(ground: KubernetesGround) -> None:
    ground.driver.apply(workload(ground.web()))
    before = settled(ground.driver, 1)
    ground.lab.end("apiserver", signal.SIGKILL)
    try:

        def unreachable() -> bool:
            try:
                ground.driver.observe("env_exam")
            except Temporary as error:
                return error.code == "pool-unreachable"
            return False

        until(unreachable, what="the news that it is away")
        with pytest.raises(Temporary):
            ground.driver.apply(workload(ground.web(replicas=3)))
        assert ground.get(before[0])[0] == 200, "what runs goes on"
    finally:
        ground.lab.run("apiserver")
        ground.lab.wait("apiserver")

    def applied() -> bool:
        try:
            ground.driver.apply(workload(ground.web(replicas=3)))
        except Temporary:
            return False
        return True

    until(applied, seconds=60, what="the cluster's return")
    assert settled(ground.driver, 3)[0].id == before[0].id


def test_who_is_idle_asks_nothing(ground: KubernetesGround) -> None:
    ground.driver.apply(workload(ground.web()))
    settled(ground.driver, 1)

    def asked() -> int:
        return len([e for e in ground.lab.requests() if e["userAgent"] == "cloudmgr"])

    before = asked()
    for _ in range(30):  # as every second would, in ever so many environments
        ground.driver.observe("env_exam")
        ground.driver.capacity()
        list(ground.driver.allocations())
    time.sleep(3)
    assert asked() == before
