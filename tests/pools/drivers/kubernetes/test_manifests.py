"""What is written into a cluster for a workload."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes.kinds import Kind
from cloudmgr.pools.drivers.kubernetes.manifests import Manifest, manifests
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from cloudmgr.pools.drivers.written import load_workload
from tests.pools.drivers.kubernetes.objects import SETTINGS, STORE, WEB, workload


def made(*components: Any) -> dict[tuple[Kind, str], Manifest]:
    return {m.key: m for m in manifests(workload(*components), SETTINGS, 5)}


def pod_of(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest.body["spec"]["template"]["spec"]
    return found


def test_everything_bears_the_labels_of_its_owner() -> None:
    for manifest in made(WEB, STORE).values():
        labels = manifest.body["metadata"]["labels"]
        assert labels[words.ENVIRONMENT] == "env_a1"
        assert labels[words.DEPARTMENT] == "dep_exam"
        assert labels[words.SYSTEM] == "sys_exam"
        assert labels[words.MANAGED] == "cloudmgr"


def test_the_namespace_is_written_first_and_says_what_it_is_for() -> None:
    first, *_ = manifests(workload(WEB), SETTINGS, 5)
    assert first.kind is Kind.NAMESPACE
    assert first.body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    told = load_workload(first.body["metadata"]["annotations"][words.WORKLOAD])
    assert told == workload(replace(WEB, replicas=0))


def test_another_number_of_replicas_changes_no_digest() -> None:
    two, five = made(WEB), made(replace(WEB, replicas=5))
    assert {k: m.digest for k, m in two.items()} == {k: m.digest for k, m in five.items()}
    assert five[Kind.DEPLOYMENT, "web"].body["spec"]["replicas"] == 5


@pytest.mark.parametrize(
    "change", [{"image": "registry.city/web:2"}, {"cpu_millis": 300}, {"variables": {"A": "1"}}]
)
def test_another_template_changes_the_digest_of_what_runs(change: dict[str, Any]) -> None:
    before, after = made(WEB), made(replace(WEB, **change))
    key = Kind.DEPLOYMENT, "web"
    assert before[key].digest != after[key].digest


def test_the_quota_is_the_approved_ceiling_and_room_to_replace_a_quarter() -> None:
    hard = made(WEB, STORE)[Kind.QUOTA, "cloudmgr"].body["spec"]["hard"]
    # web: 8 and 2 more of 250 millis; store: 1 and 1 more of 500 millis
    assert hard["requests.cpu"] == "3500m"
    assert hard["limits.memory"] == f"{10 * 512 + 2 * 1024}Mi"
    assert hard["pods"] == "12"
    assert hard["requests.storage"] == "40Gi"
    assert hard["services.nodeports"] == hard["services.loadbalancers"] == "0"


def test_the_network_is_closed_but_for_the_gateway_siblings_and_names() -> None:
    spec = made(WEB)[Kind.NETWORK, "cloudmgr"].body["spec"]
    assert spec["podSelector"] == {}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    gateway, siblings = spec["ingress"][0]["from"]
    assert gateway["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "cloudmgr"
    }
    assert siblings == {"podSelector": {}}
    assert [rule.get("ports") for rule in spec["egress"]] == [
        None,
        [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    ]


def test_a_pod_has_no_token_and_no_rights() -> None:
    pod = pod_of(made(WEB)[Kind.DEPLOYMENT, "web"])
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"] == container["resources"]["limits"]


def test_what_stores_is_a_stateful_set_that_keeps_its_claims() -> None:
    found = made(WEB, STORE)
    assert (Kind.DEPLOYMENT, "store") not in found
    spec = found[Kind.STATEFUL, "store"].body["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert claim["metadata"]["labels"][words.ENVIRONMENT] == "env_a1"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {
        "whenScaled": "Retain",
        "whenDeleted": "Retain",
    }


def test_names_given_to_a_replica_win_over_its_variables() -> None:
    odd = replace(WEB, variables={"PORT": "1", "GREETING": "您好"})
    (container,) = pod_of(made(odd)[Kind.DEPLOYMENT, "web"])["containers"]
    told = {v["name"]: v for v in container["env"]}
    assert told["PORT"]["value"] == "8080"
    assert told["GREETING"]["value"] == "您好"
    assert told["CLOUDMGR_REPLICA"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.uid"


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True)


@given(IDS, IDS)
def test_no_two_environments_have_one_namespace(one: str, other: str) -> None:
    names = namespace_of("city", one), namespace_of("city", other)
    assert (names[0] == names[1]) == (one == other)


@given(IDS)
def test_every_environment_has_a_namespace_that_can_be(environment_id: str) -> None:
    name = namespace_of("city", environment_id)
    assert len(name) <= 63
    assert name.replace("-", "").isalnum()
    assert name == name.lower()
    assert not name.endswith("-")
