"""Who has the most that RBAC gives in an environment still cannot hurt others.

The tenant of these tests has the ClusterRole ``admin`` in the namespace of its environment. What
refuses it is seen in what it is told: RBAC ("cannot"), Pod Security, a quota, or our own policies
in ``deploy/kubernetes/tenants.yaml``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Temporary
from cloudmgr.pools.drivers.driver import SecretValue
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from tests.conftest import chart_rules
from tests.labs.kubernetes.tenancy import tenant
from tests.pools.drivers.kubernetes.tenants import (
    APPS,
    AUTOSCALING,
    BATCH,
    BUDGET,
    CORE,
    GATEWAY,
    MERGE,
    NETWORK,
    PODS,
    ROUTES,
    Object,
    Tenant,
    container,
    deployment,
    pod,
    refused,
    token_in,
)
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes
OURS = "cloudmgr wrote this"


@pytest.fixture
def town(ground: KubernetesGround) -> Iterator[Tenant]:
    """A tenant of an environment with one replica of `web` and one of `store`."""
    ground.driver.apply(
        workload(
            ground.web(ceiling=2, variables={"PASSWORD": "secret"}),
            ground.web(name="store", storage_gib=1, ceiling=1),
        )
    )
    settled(ground.driver, 2)
    namespace = namespace_of(ground.prefix, "env_exam")
    with ground.lab.client(token=tenant(ground.lab, namespace)) as api:
        yield Tenant(api, namespace)


def test_a_tenant_may_do_what_is_its_own(town: Tenant, ground: KubernetesGround) -> None:
    mine = {"data": {"a": "1"}}
    for plural in ("configmaps", "secrets"):
        body = {**mine, "data": {"a": "MQ=="}}
        assert town.create(CORE, plural, body).status_code == 201
        assert town.change(CORE, plural, "mine", {"metadata": {"labels": {"b": "2"}}}).is_success
        assert town.delete(CORE, plural, "mine").is_success
    assert town.create(CORE, "services", {"spec": {"ports": [{"port": 80}]}}).is_success
    assert town.create(CORE, "pods", pod()).is_success
    assert town.create(APPS, "deployments", deployment(pod())).is_success
    assert town.change(APPS, "deployments", "mine/scale", {"spec": {"replicas": 0}}).is_success
    job = {"template": {"spec": {**pod()["spec"], "restartPolicy": "Never"}}}
    cron = {"schedule": "0 0 * * *", "jobTemplate": {"spec": job}}
    assert town.create(BATCH, "cronjobs", {"spec": cron}).is_success

    names = {p["metadata"]["name"] for p in town.pods()}
    (web,) = {name for name in names if name.startswith("web-")}
    log = until(lambda: town.api.get(town.path(CORE, "pods", f"{web}/log")).text)
    assert log
    assert town.delete(CORE, "pods", web).is_success, "a replica may be started again"
    until(lambda: web not in {p["metadata"]["name"] for p in town.pods()})
    settled(ground.driver, 2)


def test_what_an_environment_may_take_is_not_in_its_own_hands(
    town: Tenant, ground: KubernetesGround
) -> None:
    more = {"spec": {"hard": {"pods": "1000"}, "limits": []}}
    both = ("resourcequotas", "limitranges")
    for plural in both:
        refused(town.change(CORE, plural, "cloudmgr", more), f'cannot patch resource "{plural}"')
        refused(town.delete(CORE, plural, "cloudmgr"), f'cannot delete resource "{plural}"')
        refused(town.delete(CORE, plural), f'cannot deletecollection resource "{plural}"')
        refused(town.create(CORE, plural, more), f'cannot create resource "{plural}"')

    town.gets(ground.lab, "", *both)
    for plural in both:
        until(lambda: "cannot" not in town.create(CORE, plural, more).text)  # noqa: B023
        refused(town.create(CORE, plural, more), "how much an environment may take")
        refused(town.change(CORE, plural, "cloudmgr", more), OURS)
        refused(town.delete(CORE, plural, "cloudmgr"), OURS)


def test_the_network_stays_closed(town: Tenant) -> None:
    open_to_all: Object = {"spec": {"podSelector": {}, "ingress": [{}], "egress": [{}]}}
    said = "the network of an environment is closed but for its gateway"
    refused(town.create(NETWORK, "networkpolicies", open_to_all), said)
    refused(town.change(NETWORK, "networkpolicies", "cloudmgr", open_to_all), OURS)
    refused(town.delete(NETWORK, "networkpolicies", "cloudmgr"), OURS)
    refused(town.delete(NETWORK, "networkpolicies"), OURS)


def test_there_is_no_way_around_the_gateway_by_a_service(town: Tenant) -> None:
    said = "what an environment serves is reached through the gateway of its zone"
    service = {"ports": [{"port": 80}], "selector": {"app": "mine"}}
    made = {"metadata": {"name": "plain"}, "spec": service}
    town.create(CORE, "services", made).raise_for_status()
    for spec in ({"type": "NodePort"}, {"type": "LoadBalancer"}, {"externalIPs": ["192.0.2.1"]}):
        refused(town.create(CORE, "services", {"spec": {**service, **spec}}), said)
        refused(town.change(CORE, "services", "plain", {"spec": spec}), said)
        refused(town.change(CORE, "services", "web", {"spec": spec}), OURS)


def test_there_is_no_way_around_the_gateway_by_a_route(
    town: Tenant, ground: KubernetesGround
) -> None:
    said = "host names and routes are given by cloudmgr's gateway"
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    refused(town.create(NETWORK, "ingresses", {"spec": {"defaultBackend": backend}}), said)

    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    ground.lab.apply(f"{definitions}/{ROUTES['metadata']['name']}", **ROUTES)
    town.gets(ground.lab, GATEWAY, "httproutes")
    route = {"apiVersion": f"{GATEWAY}/v1", "kind": "HTTPRoute"}

    def told() -> str:
        answer = town.create(f"/apis/{GATEWAY}/v1", "httproutes", route)
        assert not answer.is_success
        return said if said in answer.text else ""

    until(told, what="a cluster that knows routes")


def test_a_pod_stays_in_its_bounds_and_so_does_what_makes_pods(
    town: Tenant, ground: KubernetesGround
) -> None:
    town.gets(ground.lab, "", "podtemplates")
    until(lambda: town.create(CORE, "podtemplates", {"template": pod()}).is_success)
    plain = {"metadata": {"name": "plain"}, **deployment(pod())}
    town.create(APPS, "deployments", plain).raise_for_status()
    for what, (body, said) in PODS.items():
        answer = town.create(CORE, "pods", body)
        message = answer.json()["message"]
        assert answer.status_code == 403, f"{what}: {message}"
        # Whichever of the two comes first: both refuse it.
        assert said in message or "violates PodSecurity" in message, what

        template = {"metadata": body["metadata"], "spec": body["spec"]}
        job = {"template": {**template, "spec": {**body["spec"], "restartPolicy": "Never"}}}
        cron = {"schedule": "0 0 * * *", "jobTemplate": {"spec": job}}
        refused(town.create(APPS, "deployments", deployment(body)), said)
        refused(town.change(APPS, "deployments", "plain", deployment(body)), said)
        refused(town.create(BATCH, "jobs", {"spec": job}), said)
        refused(town.create(BATCH, "cronjobs", {"spec": cron}), said)
        refused(town.change(CORE, "podtemplates", "mine", {"template": template}), said)


def test_a_pod_does_not_run_as_root(town: Tenant) -> None:
    answer = town.create(CORE, "pods", pod(containers=container(securityContext={"runAsUser": 0})))
    refused(answer, 'violates PodSecurity "restricted')


def test_the_namespace_is_not_relabelled(town: Tenant) -> None:
    path = f"/api/v1/namespaces/{town.namespace}"
    labels = {"pod-security.kubernetes.io/enforce": "privileged", "cloudmgr.io/pool": None}
    answer = town.api.patch(path, json={"metadata": {"labels": labels}}, headers=MERGE)
    refused(answer, "namespaces")
    refused(town.api.delete(path), "namespaces")


def test_who_may_change_namespaces_cannot_take_or_make_one_of_ours(
    town: Tenant, ground: KubernetesGround
) -> None:
    """A platform team, say, that keeps the namespaces of a cluster for others."""
    everything = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["*"]}
    kubeconfig = ground.lab.account(f"namespaces-{ground.prefix}", [everything])
    path = f"/api/v1/namespaces/{town.namespace}"
    said = "this namespace is an environment of cloudmgr"
    with ground.lab.client(token=token_in(kubeconfig)) as api:
        for labels in (
            {"cloudmgr.io/pool": None},
            {"cloudmgr.io/department": "dep_other"},
            {"pod-security.kubernetes.io/enforce": "privileged"},
        ):
            refused(api.patch(path, json={"metadata": {"labels": labels}}, headers=MERGE), said)
        refused(api.delete(path), said)
        body = {"metadata": {"name": f"{ground.prefix}-false", "labels": {"cloudmgr.io/pool": "x"}}}
        refused(api.post("/api/v1/namespaces", json=body), said)
        del body["metadata"]["labels"]
        assert api.post("/api/v1/namespaces", json=body).status_code == 201


def test_what_cloudmgr_wrote_stays_as_it_was_approved(
    town: Tenant, ground: KubernetesGround
) -> None:
    before = observed(ground.driver).digest
    for group, plural, name in (
        (APPS, "deployments", "web"),
        (APPS, "statefulsets", "store"),
        (CORE, "services", "web"),
        (CORE, "serviceaccounts", "workload"),
        (CORE, "persistentvolumeclaims", "data-store-0"),
        (BUDGET, "poddisruptionbudgets", "web"),
    ):
        for labels in ({"cloudmgr.io/department": "dep_x"}, {"cloudmgr.io/pool": None}, {"a": "b"}):
            refused(town.change(group, plural, name, {"metadata": {"labels": labels}}), OURS)
        refused(town.delete(group, plural, name), OURS)
    assert observed(ground.driver).digest == before


def test_a_pod_of_ours_is_not_relabelled_nor_changed(
    town: Tenant, ground: KubernetesGround
) -> None:
    held = {a.id for a in ground.driver.allocations()}
    for name in (p["metadata"]["name"] for p in town.pods()):
        none = {"metadata": {"labels": {"cloudmgr.io/pool": None, "cloudmgr.io/environment": None}}}
        refused(town.change(CORE, "pods", name, none), OURS)
        last = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "9"}}}
        refused(town.change(CORE, "pods", name, last), OURS)
    assert {a.id for a in ground.driver.allocations()} == held


def test_our_labels_are_ours(town: Tenant) -> None:
    said = "say what cloudmgr runs and charges"
    helm = {"app.kubernetes.io/managed-by": "Helm"}
    plain = {"metadata": {"name": "plain", "labels": helm}}
    town.create(CORE, "configmaps", plain).raise_for_status()
    for labels in (
        {"cloudmgr.io/pool": "x"},
        {"cloudmgr.io/anything": "x"},
        {"cloudmgr.io/binds.city-sso": "true"},
        {"pod-security.kubernetes.io/enforce": "privileged"},
        {"app.kubernetes.io/managed-by": "cloudmgr"},
    ):
        named = {"metadata": {"name": "mine", "labels": labels}}
        refused(town.create(CORE, "configmaps", named), said)
        refused(town.change(CORE, "configmaps", "plain", {"metadata": {"labels": labels}}), said)
        refused(town.create(APPS, "deployments", deployment(pod(labels))), said)
        room = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        stateful = deployment(pod())
        stateful["spec"] |= {
            "serviceName": "mine",
            "volumeClaimTemplates": [{**named, "spec": room}],
        }
        refused(town.create(APPS, "statefulsets", stateful), said)


def test_replicas_are_not_scaled_past_cloudmgr(town: Tenant) -> None:
    for plural, name in (("deployments", "web"), ("statefulsets", "store")):
        path = town.path(APPS, plural, f"{name}/scale")
        scale = {**town.api.get(path).json(), "spec": {"replicas": 2}}
        refused(town.api.put(path, json=scale), OURS)
        refused(town.change(APPS, plural, f"{name}/scale", {"spec": {"replicas": 0}}), OURS)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9}
    said = "ask the operators of cloudmgr for a scaling class"
    refused(town.create(AUTOSCALING, "horizontalpodautoscalers", {"spec": spec}), said)


def test_nodes_can_be_emptied_whatever_a_tenant_writes(town: Tenant) -> None:
    stuck = {"spec": {"maxUnavailable": 0, "selector": {}}}
    said = "cloudmgr gives each component its disruption budget"
    refused(town.create(BUDGET, "poddisruptionbudgets", stuck), said)


def test_no_more_pods_than_were_approved(town: Tenant) -> None:
    """Room for three of `web` and two of `store`; two stand."""
    for number in range(3):
        body = pod()
        body["metadata"]["name"] = f"mine-{number}"
        town.create(CORE, "pods", body).raise_for_status()
    refused(town.create(CORE, "pods", pod()), "exceeded quota: cloudmgr")
    body = pod(containers=container(resources={"limits": {"cpu": "4", "memory": "64Mi"}}))
    refused(town.create(CORE, "pods", body), "maximum cpu usage per Container")


def test_the_environment_next_door_is_not_seen(town: Tenant, ground: KubernetesGround) -> None:
    kept = {"KEY": SecretValue("r1", "theirs")}
    ground.driver.apply(workload(ground.web(secrets=kept), id="env_other"))
    (neighbour,) = settled(ground.driver, 1, "env_other")
    other = Tenant(town.api, namespace_of(ground.prefix, "env_other"))
    with ground.lab.client() as api:
        pods = api.get(other.path(CORE, "pods")).json()["items"]
        api.get(other.path(CORE, "secrets", "web-secrets")).raise_for_status()
    assert neighbour.id == pods[0]["metadata"]["uid"]
    web = pods[0]["metadata"]["name"]
    forbidden = (
        ("GET", "/api/v1/namespaces"),
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/pods"),
        ("GET", "/api/v1/nodes"),
        ("GET", other.path(CORE, "secrets")),
        ("GET", other.path(CORE, "secrets", "web-secrets")),
        ("GET", other.path(CORE, "pods", f"{web}/log")),
        ("GET", other.path(CORE, "pods", f"{web}/exec?command=id&stdout=1")),
        ("POST", other.path(CORE, "pods", f"{web}/exec?command=id&stdout=1")),
        ("POST", other.path(CORE, "pods", f"{web}/eviction")),
        ("POST", other.path(CORE, "pods")),
        ("DELETE", other.path(CORE, "pods", web)),
        ("PATCH", other.path(APPS, "deployments", "web/scale")),
        ("POST", other.path(CORE, "serviceaccounts", "workload/token")),
    )
    for method, path in forbidden:
        body: Object | None = {} if method in {"POST", "PATCH"} else None
        refused(
            town.api.request(method, path, json=body, headers=MERGE if body else None), "cannot"
        )


def test_a_pod_elsewhere_does_not_pass_for_ours(town: Tenant, ground: KubernetesGround) -> None:
    """Its department would pay: cloudmgr knows pods by their labels."""
    outside = f"outside-{ground.prefix}"
    with ground.lab.client() as api:
        made = api.post("/api/v1/namespaces", json={"metadata": {"name": outside}})
        made.raise_for_status()
        stolen = {
            "cloudmgr.io/pool": ground.prefix,
            "cloudmgr.io/environment": "env_exam",
            "cloudmgr.io/component": "web",
        }
        said = "the label cloudmgr.io/pool is only for what cloudmgr runs"
        with ground.lab.client(token=tenant(ground.lab, outside)) as own:
            there = Tenant(own, outside)
            refused(there.create(CORE, "pods", pod(stolen)), said)
            # The template is not looked at there, but what its controller makes of it.
            assert there.create(APPS, "deployments", deployment(pod(stolen))).is_success

            def stopped() -> bool:
                answer = own.get(there.path(APPS, "deployments", "mine")).json()
                conditions = answer.get("status", {}).get("conditions", [])
                return any(said in c.get("message", "") for c in conditions)

            until(stopped, what="the refusal of its pods")
    assert len(observed(ground.driver).replicas) == 2
    assert town.api.get(town.path(CORE, "pods")).is_success


def test_who_may_not_manage_environments_is_a_tenant_even_under_our_name(
    ground: KubernetesGround,
) -> None:
    rules = [rule for rule in chart_rules() if rule["resources"] != ["environments"]]
    assert len(rules) == len(chart_rules()) - 1
    kubeconfig = ground.lab.account(f"unmanaging-{ground.prefix}", rules)
    driver = ground.make(kubeconfig=str(kubeconfig))
    driver.start(lambda _: None)
    with pytest.raises(Temporary) as refused:
        driver.apply(workload(ground.web()))
    assert "this namespace is an environment of cloudmgr" in refused.value.message
    assert ground.driver.observe("env_exam") is None


def test_what_a_tenant_made_goes_with_its_environment(
    town: Tenant, ground: KubernetesGround
) -> None:
    town.create(CORE, "configmaps", {}).raise_for_status()
    town.create(APPS, "deployments", deployment(pod())).raise_for_status()
    ground.driver.remove("env_exam")
    until(lambda: ground.driver.observe("env_exam") is None)
    with ground.lab.client() as api:
        until(lambda: api.get(f"/api/v1/namespaces/{town.namespace}").status_code == 404)
