"""The rights that the chart gives are those that the driver needs: with one verb less it fails."""

from __future__ import annotations

from copy import deepcopy
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.driver import SharedService
from cloudmgr.pools.drivers.kubernetes.settings import Timing
from tests.conftest import chart_rules
from tests.pools.grounds import applied, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.pools.drivers.kubernetes.driver import KubernetesDriver
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes

ENVIRONMENTS = count(1)
# What it may not watch is said at once.
IMPATIENT = Timing(first_retry=0.05, slowest_retry=0.1, stale=0.0)


def verbs() -> list[tuple[str, str]]:
    """Those that RBAC asks for: what our own policies ask for is tried in ``test_tenants.py``."""
    return [
        (resource, verb)
        for rule in chart_rules()
        if rule["apiGroups"] != ["cloudmgr.io"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(resource: str, verb: str) -> list[dict[str, Any]]:
    """The chart's rules, each for one resource, but for one verb on one resource."""
    rules = []
    for rule in deepcopy(chart_rules()):
        for each in rule["resources"]:
            allowed = [v for v in rule["verbs"] if (each, v) != (resource, verb)]
            if allowed:
                rules.append({**rule, "resources": [each], "verbs": allowed})
    return rules


def registry(directory: Path) -> str:
    path = directory / "config.json"
    path.write_text('{"auths": {"registry.gov": {"auth": "Y2l0eTp4"}}}')
    return str(path)


def whole_life(ground: KubernetesGround, driver: KubernetesDriver, environment_id: str) -> None:
    """Everything that a driver does, once."""
    web, store = ground.web(), ground.web(name="store", storage_gib=1)
    extra = ground.web(name="extra", replicas=0), ground.web(name="more", storage_gib=1, replicas=0)

    def apply(*components: Any) -> None:
        applied(driver, workload(*components, id=environment_id))

    told = {
        "files": {"app.ini": "x = 1"},
        "services": (SharedService("sso", 443, "sso.gov", ("192.0.2.0/28",)),),
    }
    apply(ground.web(**told), store, *extra)
    settled(driver, 2, environment_id)
    apply(ground.web(elastic=True), store)
    apply(ground.web(elastic=True, ceiling=9), store)
    apply(web, store)
    driver.log(environment_id, "web", 0, 5)
    apply(ground.web(replicas=2), ground.web(name="store", storage_gib=1, replicas=2))
    settled(driver, 4, environment_id)
    apply(web, ground.web(name="store", storage_gib=2))
    driver.remove(environment_id)


def test_the_rights_of_the_chart_are_enough(ground: KubernetesGround) -> None:
    whole_life(ground, ground.driver, "env_whole")
    until(lambda: ground.driver.observe("env_whole") is None)


@pytest.mark.parametrize(("resource", "verb"), verbs())
def test_one_verb_less_is_too_little(
    ground: KubernetesGround, tmp_path: Path, resource: str, verb: str
) -> None:
    number = next(ENVIRONMENTS)
    kubeconfig = ground.lab.account(f"short-of-{number}", without(resource, verb))
    driver = ground.make(IMPATIENT, kubeconfig=str(kubeconfig), registry_config=registry(tmp_path))
    driver.start(lambda _: None)
    with pytest.raises(Temporary) as refused:
        whole_life(ground, driver, f"env_less{number}")
    assert "403" in refused.value.message
    assert f"cannot {verb} resource" in refused.value.message
    assert resource.partition("/")[0] in refused.value.message
