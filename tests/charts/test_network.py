"""Who may speak to whom: the chart's NetworkPolicies, read as a cluster's network reads them."""

from __future__ import annotations

from typing import Any

import pytest

from cloudmgr.pools.drivers.kubernetes.manifests import manifests
from tests.charts.rendering import Object, objects, of_kind, values
from tests.pools.drivers.kubernetes.objects import SETTINGS, workload

GATEWAY = "cloudmgr-extranet"
PLANE = "cloudmgr"


class Network:
    """The rules for the pods of each Deployment; what no rule allows is refused."""

    def __init__(self, name: str, **more: Any) -> None:
        made = objects(values(name, **more))
        self.deployments = of_kind(made, "Deployment")
        self.policies = of_kind(made, "NetworkPolicy").values()

    def labels(self, deployment: str) -> dict[str, str]:
        found: dict[str, str] = self.deployments[deployment]["spec"]["template"]["metadata"][
            "labels"
        ]
        return found

    def over(self, deployment: str, way: str) -> list[Object]:
        """The policies that close the pods of ``deployment`` that way."""
        return [
            policy["spec"]
            for policy in self.policies
            if way in policy["spec"]["policyTypes"]
            and _within(policy["spec"]["podSelector"], self.labels(deployment))
        ]

    def rules(self, deployment: str, way: str) -> list[Object]:
        return [rule for spec in self.over(deployment, way) for rule in spec.get(way.lower(), [])]

    def sources(self, deployment: str, port: str) -> list[Object] | None:
        """Peers that may come in at ``port``; None for anybody."""
        peers: list[Object] = []
        for rule in self.rules(deployment, "Ingress"):
            if port in {each["port"] for each in rule["ports"]}:
                if "from" not in rule:
                    return None
                peers += rule["from"]
        return peers

    def towards(self, deployment: str, port: str | int) -> list[Object] | None:
        """Peers that may be spoken to at ``port``; None for anybody."""
        peers: list[Object] = []
        for rule in self.rules(deployment, "Egress"):
            if port in {each["port"] for each in rule.get("ports", [])}:
                if "to" not in rule:
                    return None
                peers += rule["to"]
        return peers

    def everywhere(self, deployment: str) -> list[Object]:
        """Peers that may be spoken to at every port."""
        return [
            peer
            for rule in self.rules(deployment, "Egress")
            if "ports" not in rule
            for peer in rule["to"]
        ]


def _within(selector: Object, labels: dict[str, str]) -> bool:
    there = all(
        each["operator"] == "Exists" and each["key"] in labels
        for each in selector.get("matchExpressions", [])
    )
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return there and wanted.items() <= labels.items()


@pytest.mark.parametrize("name", ["usual", "other-clusters", "clouds", "everything"])
def test_every_pod_is_closed_both_ways(name: str) -> None:
    network = Network(name)
    for deployment in network.deployments:
        assert network.over(deployment, "Ingress")
        assert network.over(deployment, "Egress")


def test_visitors_reach_a_gateways_port_for_them_and_no_other() -> None:
    network = Network("usual")
    assert network.sources(GATEWAY, "web") is None
    assert network.sources(GATEWAY, "http") == network.sources(GATEWAY, "waker") == []
    assert network.sources(PLANE, "http") == []


def test_a_gateway_reaches_the_waker_and_nobody_else_does() -> None:
    network = Network("usual")
    (source,) = network.sources(PLANE, "waker") or []
    assert _within(source["podSelector"], network.labels(GATEWAY))
    assert not _within(source["podSelector"], network.labels(PLANE))
    (peer,) = network.towards(GATEWAY, "waker") or []
    assert _within(peer["podSelector"], network.labels(PLANE))


@pytest.mark.parametrize("deployment", [GATEWAY, PLANE])
def test_what_is_hosted_is_reached_by_the_label_that_its_namespace_has(deployment: str) -> None:
    namespace = manifests(workload(), SETTINGS, 5.0)[0].body["metadata"]["labels"]
    (hosted,) = Network("usual").everywhere(deployment)
    assert hosted.keys() == {"namespaceSelector"}
    assert _within(hosted["namespaceSelector"], namespace)
    assert not _within(hosted["namespaceSelector"], {"kubernetes.io/metadata.name": "default"})


def test_pods_of_other_clusters_are_reached_by_address() -> None:
    blocks = [peer["ipBlock"]["cidr"] for peer in Network("other-clusters").everywhere(GATEWAY)[1:]]
    assert blocks == ["10.32.0.0/14", "fd00:32::/48"]


@pytest.mark.parametrize("deployment", [GATEWAY, PLANE])
def test_clouds_and_their_servers_are_reached_by_address(deployment: str) -> None:
    network = Network("clouds")
    blocks = [peer["ipBlock"]["cidr"] for peer in network.everywhere(deployment)[1:]]
    assert blocks == ["10.80.0.0/14", "10.84.0.0/14"]
    found = [p["ipBlock"]["cidr"] for p in network.towards(deployment, 8774) or []]
    assert found == ["10.1.0.20/32", "10.2.0.20/32"]


def test_who_comes_in_may_be_said() -> None:
    network = Network("everything")
    (ingress, monitoring) = network.sources(PLANE, "http") or []
    assert {"ingress", "monitoring"} == {
        each["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for each in (ingress, monitoring)
    }
    (only,) = network.sources(GATEWAY, "http") or []
    assert only["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    (visitors,) = network.sources(GATEWAY, "web") or []
    assert visitors["ipBlock"]["cidr"] == "10.0.0.0/8"


@pytest.mark.parametrize("deployment", [GATEWAY, PLANE])
def test_where_it_goes_out_may_be_narrowed(deployment: str) -> None:
    usual, narrow = Network("usual"), Network("everything")
    assert usual.towards(deployment, 5432) is None
    assert narrow.towards(deployment, 5432) == []
    assert narrow.towards(deployment, 5433) == [{"ipBlock": {"cidr": "10.7.0.5/32"}}]
    assert narrow.towards(deployment, 53) == [{"ipBlock": {"cidr": "169.254.20.10/32"}}]
    assert [
        p["ipBlock"]["cidr"] for p in Network("other-clusters").towards(deployment, 6443) or []
    ] == [
        "10.1.0.10/32",
        "10.2.0.10/32",
    ]
    assert usual.towards(deployment, 80) == []
