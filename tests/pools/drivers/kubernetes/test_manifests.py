"""What is written into a cluster for a workload."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.pools.drivers.driver import SecretValue, SharedService
from cloudmgr.pools.drivers.kubernetes import names as words
from cloudmgr.pools.drivers.kubernetes.kinds import Kind
from cloudmgr.pools.drivers.kubernetes.manifests import Manifest, manifests
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from cloudmgr.pools.drivers.written import dump_workload, load_workload
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


SSO = SharedService("city-sso", 443, "sso.gov", ("192.0.2.0/28", "2001:db8::/64"))
HOSTED = SharedService("forms", 8080, environment_id="env_f1", component="api")


def test_files_lie_where_they_are_looked_for() -> None:
    objects = made(replace(WEB, files={"/etc/nginx/nginx.conf": "a", "app/x.ini": "b"}))
    data = objects[Kind.CONFIG, "web"].body["data"]
    spec = pod_of(objects[Kind.DEPLOYMENT, "web"])
    assert spec["volumes"] == [{"name": "files", "configMap": {"name": "web"}}]
    (container,) = spec["containers"]
    assert {m["mountPath"]: data[m["subPath"]] for m in container["volumeMounts"]} == {
        "/etc/nginx/nginx.conf": "a",
        "/config/app/x.ini": "b",
    }
    assert all(m["readOnly"] for m in container["volumeMounts"])


def test_files_do_not_push_the_storage_aside() -> None:
    objects = made(replace(STORE, files={"x.ini": "b"}))
    (container,) = pod_of(objects[Kind.STATEFUL, "store"])["containers"]
    assert [m["mountPath"] for m in container["volumeMounts"]] == ["/data", "/config/x.ini"]


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"a": "2"}, "secrets": {"KEY": SecretValue("r1")}},
        {"files": {"a": "1"}, "secrets": {"KEY": SecretValue("r2")}},
        {"files": {}, "secrets": {"KEY": SecretValue("r1")}},
        {"files": {"a": "1"}, "secrets": {}},
    ],
)
def test_other_texts_and_secrets_make_other_pods(change: dict[str, Any]) -> None:
    key = Kind.DEPLOYMENT, "web"
    known = replace(WEB, files={"a": "1"}, secrets={"KEY": SecretValue("r1", "x")})
    assert (
        made(known)[key].body["spec"]["template"]
        != (made(replace(known, **change))[key].body["spec"]["template"])
    )


def test_a_value_is_in_none_of_the_objects_that_are_watched() -> None:
    secrets = {"KEY": SecretValue("r1", "do not tell")}
    known, unknown = (
        made(replace(WEB, secrets={"KEY": each})) for each in (secrets["KEY"], SecretValue("r1"))
    )
    assert known == unknown
    assert "do not tell" not in str([m.body for m in known.values()])


def test_who_is_bound_reaches_that_service_and_no_more() -> None:
    objects = made(replace(WEB, services=(SSO, HOSTED)), STORE)
    around = objects[Kind.NETWORK, "web"].body["spec"]
    assert around["policyTypes"] == ["Egress"]
    assert around["podSelector"]["matchLabels"][words.COMPONENT] == "web"
    outside, inside = around["egress"]
    assert outside == {
        "to": [{"ipBlock": {"cidr": "192.0.2.0/28"}}, {"ipBlock": {"cidr": "2001:db8::/64"}}],
        "ports": [{"protocol": "TCP", "port": 443}],
    }
    (peer,) = inside["to"]
    assert inside["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert peer["namespaceSelector"]["matchLabels"] == {
        words.POOL: SETTINGS.prefix,
        words.ENVIRONMENT: "env_f1",
    }
    assert peer["podSelector"]["matchLabels"] == {words.COMPONENT: "api"}
    assert (Kind.NETWORK, "store") not in objects
    (container,) = pod_of(objects[Kind.DEPLOYMENT, "web"])["containers"]
    told = {e["name"]: e.get("value") for e in container["env"]}
    assert (told["CITY_SSO_HOST"], told["CITY_SSO_PORT"]) == ("sso.gov", "443")
    namespace = namespace_of(SETTINGS.prefix, "env_f1")
    assert (told["FORMS_HOST"], told["FORMS_PORT"]) == (f"api.{namespace}.svc", "80")


def test_a_shared_service_lets_in_who_is_bound_to_it() -> None:
    """Each side by the labels of the other, so that none is written when the other comes."""
    offered = made(replace(WEB, offers=("forms",)))[Kind.NETWORK, "web"].body["spec"]
    assert offered["policyTypes"] == ["Ingress"]
    (rule,) = offered["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": WEB.port}]
    (peer,) = rule["from"]
    bound = made(replace(WEB, services=(HOSTED,)))[Kind.DEPLOYMENT, "web"].body["spec"]
    wanted = peer["podSelector"]["matchLabels"].items()
    assert wanted <= bound["template"]["metadata"]["labels"].items()
    assert not wanted <= bound["selector"]["matchLabels"].items()
    assert peer["namespaceSelector"]["matchLabels"] == {words.POOL: SETTINGS.prefix}


def test_what_is_written_down_is_read_again() -> None:
    full = replace(
        WEB,
        files={"a": "1"},
        secrets={"KEY": SecretValue("r1", "x")},
        services=(SSO, HOSTED),
        offers=("forms",),
    )
    kept = load_workload(dump_workload(workload(full)))
    assert kept.digest == workload(full).digest
    assert kept.components[0] == replace(full, secrets={"KEY": SecretValue("r1")})
