"""Files, secrets and the services of others, in a cluster."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Permanent
from cloudmgr.pools.drivers.driver import SecretValue, SharedService
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.pools.grounds import applied, observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes

# Found nowhere else: a cluster of somebody else's may call a node anything.
FIRST = "s3cr3t-value"
KEY = {"KEY": SecretValue("r1", FIRST)}


def there(ground: KubernetesGround, plural: str, name: str = "") -> Any:
    namespace = namespace_of(ground.prefix, workload(ground.web()).environment_id)
    group = "/apis/networking.k8s.io/v1" if plural == "networkpolicies" else "/api/v1"
    with ground.lab.client() as api:
        answer = api.get(f"{group}/namespaces/{namespace}/{plural}/{name}".rstrip("/"))
    return answer.json() if answer.status_code == 200 else None


def values(ground: KubernetesGround) -> dict[str, str]:
    data = there(ground, "secrets", "web-secrets").get("data", {})
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def test_values_rest_in_a_secret_and_nowhere_else(ground: KubernetesGround) -> None:
    applied(ground.driver, workload(ground.web(secrets=KEY)))
    assert values(ground) == {"KEY": FIRST}
    secret = there(ground, "secrets", "web-secrets")
    assert secret["metadata"]["labels"]["cloudmgr.io/component"] == "web"
    (replica,) = settled(ground.driver, 1)
    with ground.lab.client() as api:
        namespace = secret["metadata"]["namespace"]
        kept = api.get(f"/api/v1/namespaces/{namespace}").text
        kept += api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments").text
        kept += api.get(f"/api/v1/namespaces/{namespace}/pods").text
    assert replica.id in kept
    assert FIRST not in kept
    assert base64.b64encode(FIRST.encode()).decode() not in kept


@pytest.mark.parametrize("goes", ["the secret", "one of two", "the component"])
def test_what_a_component_no_longer_has_is_emptied(ground: KubernetesGround, goes: str) -> None:
    both = {**KEY, "OTHER": SecretValue("r9", "two")}
    applied(ground.driver, workload(ground.web(secrets=both), ground.worker()))
    assert values(ground) == {"KEY": FIRST, "OTHER": "two"}
    match goes:
        case "the secret":
            after, left = workload(ground.web(), ground.worker()), {}
        case "one of two":
            after, left = workload(ground.web(secrets=KEY), ground.worker()), {"KEY": FIRST}
        case _:
            after, left = workload(ground.worker()), {}
    applied(ground.driver, after)
    assert values(ground) == left


def test_a_secret_that_somebody_took_away_is_written_again(ground: KubernetesGround) -> None:
    wanted = workload(ground.web(secrets=KEY))
    applied(ground.driver, wanted)
    (first,) = settled(ground.driver, 1)
    secret = there(ground, "secrets", "web-secrets")
    with ground.lab.client() as api:
        where = f"/api/v1/namespaces/{secret['metadata']['namespace']}"
        api.delete(f"{where}/secrets/web-secrets").raise_for_status()
        assert observed(ground.driver).digest == wanted.digest, "what runs has it"
        (pod,) = api.get(f"{where}/pods").json()["items"]
        api.delete(f"{where}/pods/{pod['metadata']['name']}").raise_for_status()
    until(lambda: observed(ground.driver).digest == "", what="the pod that cannot start")
    (waits,) = [r for r in observed(ground.driver).replicas if r.id != first.id]
    assert 'secret "web-secrets" not found' in waits.message

    applied(ground.driver, wanted)
    (again,) = settled(ground.driver, 1)
    assert f"KEY={FIRST}" in ground.get(again)[1].splitlines()
    assert observed(ground.driver).digest == wanted.digest


def test_without_its_value_a_secret_is_not_overwritten(ground: KubernetesGround) -> None:
    applied(ground.driver, workload(ground.web(secrets=KEY)))
    with pytest.raises(Permanent) as refused:
        ground.driver.apply(workload(ground.web(secrets={"KEY": SecretValue("r2")})))
    assert refused.value.code == "secret-without-value"
    assert values(ground) == {"KEY": FIRST}
    # What changes nothing of it needs no value: more replicas, a preview.
    same = workload(ground.web(secrets={"KEY": SecretValue("r1")}, replicas=2))
    assert ground.driver.preview(same)


def test_files_that_others_change_drift_and_are_put_right(ground: KubernetesGround) -> None:
    wanted = workload(ground.web(files={"app.ini": "x = 1"}))
    applied(ground.driver, wanted)
    config = there(ground, "configmaps", "web")
    namespace = config["metadata"]["namespace"]
    with ground.lab.client() as api:
        api.patch(
            f"/api/v1/namespaces/{namespace}/configmaps/web?fieldManager=kubectl",
            json={"data": {"file-0": "x = 2"}},
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    until(lambda: observed(ground.driver).digest == "", what="the drift")
    assert "ConfigMap web" in observed(ground.driver).drift[0]
    (change,) = ground.driver.preview(wanted)
    assert (change.before, change.after) == ('"x = 2"', '"x = 1"')
    ground.driver.apply(wanted)
    assert there(ground, "configmaps", "web")["data"] == {"file-0": "x = 1"}


def test_what_is_no_longer_told_leaves_nothing(ground: KubernetesGround) -> None:
    sso = SharedService("city-sso", 443, "sso.gov", ("192.0.2.0/28",))
    applied(ground.driver, workload(ground.web(files={"a": "1"}, services=(sso,))))
    assert there(ground, "configmaps", "web")["data"] == {"file-0": "1"}
    assert there(ground, "networkpolicies", "web")["spec"]["egress"]
    applied(ground.driver, workload(ground.web()))
    assert there(ground, "configmaps", "web") is None
    assert there(ground, "networkpolicies", "web") is None
    assert there(ground, "networkpolicies", "cloudmgr") is not None
