"""What the chart makes of values: what Helm refuses, what the program and a cluster are told."""

from __future__ import annotations

import json
import re
from typing import Any

import helm_python
import pytest
import yaml

import cloudmgr
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings
from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings
from cloudmgr.pools.pool import Zone
from cloudmgr.scaling.gateway.routes import document
from cloudmgr.wiring.settings import Settings, load
from tests.charts.rendering import (
    CHART,
    NAMES,
    Object,
    environment,
    objects,
    of_kind,
    texts,
    values,
)
from tests.conftest import chart_rules

INFO = 1
ROOT = CHART.parents[1]


def settings(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    """What the program takes from ``variables``."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load()


def pod(deployment: Object) -> Object:
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def labels(deployment: Object) -> dict[str, str]:
    found: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return found


def selects(selector: dict[str, str], deployment: Object) -> bool:
    return selector.items() <= labels(deployment).items()


# ------------------------------------------------------------------------------ lint and refusals


@pytest.mark.parametrize("name", NAMES)
def test_helm_finds_nothing_to_complain_of(name: str) -> None:
    report = helm_python.lint(CHART, values(name), strict=True)
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > INFO] == []


def test_helm_finds_nothing_to_complain_of_in_the_chart_by_itself() -> None:
    report = helm_python.lint(CHART, strict=True)
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > INFO] == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"imgae": {}}, "at '': additional properties 'imgae' not allowed"),
        ({"image": {"repository": "city/cloudmgr", "digest": "latest"}}, "at '/image/digest'"),
        ({"image": {"repository": "city/cloudmgr:1"}}, "at '/image/repository'"),
        ({"database": {"url": "postgresql://a:b@c/d"}}, "at '/database'"),
        ({"controlPlane": {"replicas": 0}}, "at '/controlPlane/replicas': minimum: got 0, want 1"),
        ({"controlPlane": {"replicas": "2"}}, "at '/controlPlane/replicas': got string"),
        ({"gateways": [{"zone": "dmz"}]}, "at '/gateways/0/zone': value must be one of"),
        ({"secretsKey": {"name": "key"}}, "at '/secretsKey': additional properties 'name'"),
        ({"gateway": {"replicas": 2}}, "at '/gateway': additional properties 'replicas'"),
        ({"settings": {"CLOUDMGR_POOLS": "[]"}}, "at '/settings'"),
        ({"networkPolicies": {"apiFrom": [{}]}}, "at '/networkPolicies/apiFrom/0'"),
        ({"serviceMonitor": {"interval": "soon"}}, "at '/serviceMonitor/interval'"),
        (
            {"pools": [{"name": "here", "kind": "kubernetes", "zone": "extranet"}]},
            "at '/pools/0': missing properties 'protectionLevel', 'settings'",
        ),
    ],
)
def test_a_value_that_is_wrong_is_named_by_its_path(wrong: Object, said: str) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        texts(values("usual") | wrong)
    assert said in str(refused.value)


MONITORED: Object = {"serviceMonitor": {"enabled": True}}
LOCAL = {
    "name": "here",
    "kind": "local",
    "zone": "extranet",
    "protectionLevel": 3,
    "settings": {},
}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image": {}}, "image.repository: say where the image is"),
        ({"pools": [LOCAL]}, "pools.0.kind: the replicas of a local pool"),
        ({"pools": [LOCAL | {"kind": "openstack"}]}, "pools.0.cloudsYaml: name the Secret"),
        ({"gateways": [{"zone": "extranet"}] * 2}, "gateways: the zone extranet has two"),
        ({"ingress": {"enabled": True}}, "ingress.host: say"),
        ({"ingress": {"enabled": True, "host": "a.example"}}, "networkPolicies.apiFrom: say"),
        (MONITORED, "networkPolicies.metricsFrom: say"),
    ],
)
def test_values_that_would_not_work_together_are_refused(wrong: Object, said: str) -> None:
    with pytest.raises(helm_python.HelmRenderError) as refused:
        texts(values("usual") | wrong)
    assert said in str(refused.value)


def test_the_schema_knows_just_what_the_values_file_has() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    absent: list[str] = []

    def compare(known: Object, given: Object, path: str) -> None:
        absent.extend(f"{path}.{name}" for name in known.keys() ^ given.keys())
        for name in known.keys() & given.keys():
            if known[name].get("properties"):
                compare(known[name]["properties"], given[name], f"{path}.{name}")

    compare(schema["properties"], yaml.safe_load((CHART / "values.yaml").read_text()), "")
    # `global` is Helm's; the four settings have their defaults in the program.
    assert sorted(absent) == [
        ".global",
        ".settings.CLOUDMGR_LEASE_TTL",
        ".settings.CLOUDMGR_RESYNC_SECONDS",
        ".settings.CLOUDMGR_SHARDS",
        ".settings.CLOUDMGR_WORKERS",
    ]


def test_the_chart_and_the_program_have_one_version() -> None:
    told = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (told["version"], told["appVersion"]) == (cloudmgr.__version__,) * 2


# ---------------------------------------------------------------------- what the program is told


@pytest.mark.parametrize("name", NAMES)
def test_the_program_understands_every_variable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    made = objects(values(name), namespace="shared")
    told = [environment(made, deployment) for deployment in of_kind(made, "Deployment")]
    fields = {f"CLOUDMGR_{field.upper()}" for field in Settings.model_fields}
    for variables in told:
        assert {each for each in variables if each.startswith("CLOUDMGR_")} <= fields
        taken = settings(monkeypatch, variables)
        assert taken.host == taken.gateway_host == "0.0.0.0"  # noqa: S104 - a pod's own
        for pool in taken.pools:
            if pool.kind == "openstack":
                read = OpenStackSettings.parse(pool.settings)
                assert read.clouds_file == f"/etc/cloudmgr/pools/{pool.name}/clouds.yaml"
            else:
                namespace = KubernetesSettings.parse(pool.settings).gateway_namespace
                assert namespace == "shared", "where the gateways' pods are"
        document([], taken.wakers)  # refuses an address that a gateway cannot be given


def test_what_is_set_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    made = objects(values("everything"))
    taken = settings(monkeypatch, environment(made, "cloudmgr"))
    assert (taken.lease_ttl, taken.shards, taken.workers) == (12.5, 32, 8)
    assert (taken.time_zone, taken.gateway_domain) == ("Europe/Berlin", "systems.city.example")
    assert taken.secure_cookies
    assert [pool.name for pool in taken.pools] == ["here", "there"]
    assert [pool.protection_level for pool in taken.pools] == [2, 3]
    assert taken.pools[0].settings["node_selector"] == {"city.example/pool": "here"}


@pytest.mark.parametrize("name", NAMES)
def test_each_file_that_the_program_is_told_of_is_mounted(name: str) -> None:
    made = objects(values(name))
    for deployment in of_kind(made, "Deployment"):
        told = json.dumps(environment(made, deployment))
        spec = pod(of_kind(made, "Deployment")[deployment])
        (container,) = spec["containers"]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert mounts.keys() == {volume["name"] for volume in spec["volumes"]}
        files = set()
        for volume in spec["volumes"]:
            items = volume.get("secret", {}).get("items", [])
            files |= {f"{mounts[volume['name']]}/{item['path']}" for item in items}
            if "configMap" in volume:
                files.add(mounts[volume["name"]])
        assert set(re.findall(r"/etc/cloudmgr[a-z0-9/.-]*", told)) == files


def test_a_gateway_runs_where_its_zone_is_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = objects(values("other-clusters"))
    ports = {
        name: settings(monkeypatch, environment(made, name)).gateway_ports
        for name in of_kind(made, "Deployment")
    }
    assert ports == {
        "cloudmgr": {},
        "cloudmgr-extranet": {Zone.EXTRANET: 8090},
        "cloudmgr-intranet": {Zone.INTRANET: 8090},
    }
    inner = of_kind(made, "Deployment")["cloudmgr-intranet"]
    assert pod(inner)["nodeSelector"] == {"city.example/network": "intranet"}
    # Two would not share the zone's lease: the new one would wait for the old one, and it for it.
    assert (inner["spec"]["replicas"], inner["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_other_settings_make_other_pods() -> None:
    def checksums(made: list[Object]) -> set[str]:
        return {
            each["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
            for each in of_kind(made, "Deployment").values()
        }

    before = checksums(objects(values("usual")))
    assert checksums(objects(values("usual", controlPlane={"replicas": 5}))) == before
    assert checksums(objects(values("usual", domain="city.example"))).isdisjoint(before)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_secret_is_in_a_manifest(name: str) -> None:
    made = objects(values(name))
    assert of_kind(made, "Secret") == {}
    for deployment in of_kind(made, "Deployment").values():
        (container,) = pod(deployment)["containers"]
        (address,) = [v for v in container["env"] if v["name"] == "CLOUDMGR_DATABASE_URL"]
        assert address["valueFrom"]["secretKeyRef"].keys() == {"name", "key"}
    assert "postgresql://" not in json.dumps(made)


@pytest.mark.parametrize("name", NAMES)
def test_services_of_the_namespace_do_not_become_settings(name: str) -> None:
    """A Service `cloudmgr` would set CLOUDMGR_PORT to tcp://…, one `cloudmgr-waker` likewise."""
    for deployment in of_kind(objects(values(name)), "Deployment").values():
        assert pod(deployment)["enableServiceLinks"] is False


# ------------------------------------------------------------------------------------ its rights


def test_the_rights_are_those_that_the_driver_is_tested_with() -> None:
    made = objects(values("usual"), namespace="shared", release="city")
    (role,) = of_kind(made, "ClusterRole").values()
    (binding,) = of_kind(made, "ClusterRoleBinding").values()
    assert role["rules"] == chart_rules()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert (subject["kind"], subject["namespace"]) == ("ServiceAccount", "shared")
    for deployment in of_kind(made, "Deployment").values():
        assert pod(deployment)["serviceAccountName"] == subject["name"]
        assert pod(deployment)["automountServiceAccountToken"] is True


def test_where_all_pools_are_other_clusters_it_has_no_rights_in_this_one() -> None:
    made = objects(values("other-clusters"))
    assert of_kind(made, "ClusterRole") == of_kind(made, "ClusterRoleBinding") == {}
    for deployment in of_kind(made, "Deployment").values():
        assert pod(deployment)["automountServiceAccountToken"] is False


def test_rights_may_be_bound_by_somebody_else() -> None:
    made = objects(values("usual", rbac={"create": False}))
    assert of_kind(made, "ClusterRole") == of_kind(made, "ClusterRoleBinding") == {}
    assert pod(of_kind(made, "Deployment")["cloudmgr"])["automountServiceAccountToken"] is True


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_writes_to_its_own_directories_and_nowhere_else(name: str) -> None:
    """Pod Security `restricted` holds the rest; the lab's tests show that."""
    for deployment in of_kind(objects(values(name)), "Deployment").values():
        (container,) = pod(deployment)["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        writable = {each["name"] for each in pod(deployment)["volumes"] if "emptyDir" in each}
        assert writable == {"state", "tmp"}
        for mount in container["volumeMounts"]:
            assert mount["name"] in writable or mount["readOnly"] is True


def test_the_image_is_made_for_the_user_and_the_directories_of_the_pods() -> None:
    image = (ROOT / "deploy" / "Dockerfile").read_text()
    (container,) = pod(of_kind(objects(values("usual")), "Deployment")["cloudmgr"])["containers"]
    spec = pod(of_kind(objects(values("usual")), "Deployment")["cloudmgr"])["securityContext"]
    assert f"\nUSER {spec['runAsUser']}:{spec['runAsGroup']}\n" in image
    told = environment(objects(values("usual")), "cloudmgr")
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert told["CLOUDMGR_STATE_DIR"] in mounted
    assert f"CLOUDMGR_STATE_DIR={told['CLOUDMGR_STATE_DIR']}\n" in image
    assert '\nENTRYPOINT ["cloudmgr"]\n' in image
    assert container["args"][0] == "serve"


# ------------------------------------------------------------------------------- how it is joined


@pytest.mark.parametrize("name", NAMES)
def test_every_service_leads_to_a_port_of_pods_that_are_there(name: str) -> None:
    made = objects(values(name))
    deployments = of_kind(made, "Deployment").values()
    for service in of_kind(made, "Service").values():
        (port,) = service["spec"]["ports"]
        led_to = [each for each in deployments if selects(service["spec"]["selector"], each)]
        assert led_to
        for deployment in led_to:
            (container,) = pod(deployment)["containers"]
            assert port["targetPort"] in {each["name"] for each in container["ports"]}


def test_the_wakers_address_is_that_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    made = objects(values("usual"), namespace="shared", release="city")
    taken = settings(monkeypatch, environment(made, "city-cloudmgr-extranet"))
    service = of_kind(made, "Service")["city-cloudmgr-waker"]
    (port,) = service["spec"]["ports"]
    assert taken.wakers == (f"http://city-cloudmgr-waker.shared.svc:{port['port']}",)


@pytest.mark.parametrize("name", NAMES)
def test_hosted_namespaces_know_all_pods_for_gateways(name: str) -> None:
    for deployment in of_kind(objects(values(name)), "Deployment").values():
        assert selects(KubernetesSettings().gateway_labels, deployment)


def test_a_budget_is_there_once_there_is_something_to_keep() -> None:
    def budgets(replicas: int) -> dict[str, Object]:
        given = values("usual", controlPlane={"replicas": replicas})
        return of_kind(objects(given), "PodDisruptionBudget")

    assert budgets(1) == {}
    (budget,) = budgets(2).values()
    made = of_kind(objects(values("usual")), "Deployment")
    chosen = budget["spec"]["selector"]["matchLabels"]
    assert [name for name, each in made.items() if selects(chosen, each)] == ["cloudmgr"]


def test_priority_classes_are_ordered_and_a_placeholder_gives_way() -> None:
    made = of_kind(objects(values("usual")), "PriorityClass")
    assert {
        name: (each["value"], each.get("preemptionPolicy"), "globalDefault" in each)
        for name, each in made.items()
    } == {
        "cloudmgr-vital": (4000, None, False),
        "cloudmgr-high": (3000, None, False),
        "cloudmgr-normal": (2000, None, False),
        "cloudmgr-low": (1000, None, False),
        "cloudmgr-placeholder": (-10, "Never", False),
    }
    for each in made.values():  # for what is hosted goes on when the release is gone
        assert each["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert of_kind(objects(values("other-clusters")), "PriorityClass") == {}


def test_prometheus_is_led_to_every_pod_with_a_token() -> None:
    made = objects(values("everything"))
    (monitor,) = of_kind(made, "ServiceMonitor").values()
    chosen = monitor["spec"]["selector"]["matchLabels"]
    (service,) = [
        each
        for each in of_kind(made, "Service").values()
        if chosen.items() <= each["metadata"]["labels"].items()
    ]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert endpoint["authorization"]["credentials"] == {"name": "city-metrics", "key": "token"}
    for deployment in of_kind(made, "Deployment").values():
        assert selects(service["spec"]["selector"], deployment)


def test_the_notes_say_what_is_to_be_done_and_what_is_missing() -> None:
    def notes(**more: Any) -> str:
        return texts(values("usual", **more))["cloudmgr/templates/NOTES.txt"]

    assert "exec deploy/cloudmgr -- cloudmgr init" in notes()
    assert "WARNING" not in notes()
    assert "the pool here is in the zone extranet, which has no gateway" in notes(gateways=[])
    assert "create secret generic cloudmgr-secrets-key" in notes()
    assert "secrets-key" not in notes(secretsKey={"secret": "city-key", "key": "key"})
    assert "rbac.create is false" in notes(rbac={"create": False})
