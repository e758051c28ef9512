from __future__ import annotations

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.pools.drivers.kubernetes.measured import measurement, pod_uid
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

UID = "3d1b3f0e-52a1-4b77-9c1d-0a6a3f7d1c01"
BELOW = UID.replace("-", "_")


@pytest.mark.parametrize(
    "cgroup",
    [
        f"/kubepods/burstable/pod{UID}/8c1d",
        f"/kubepods/pod{UID}/8c1d",
        f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{BELOW}.slice/cri-8c1d.scope",
        f"/kubepods.slice/kubepods-pod{BELOW}.slice/crio-8c1d.scope",
        f"/kubelet/kubepods/besteffort/pod{UID}/8c1d",
    ],
)
def test_a_container_is_of_the_pod_that_its_cgroup_names(cgroup: str) -> None:
    assert pod_uid({"id": cgroup, "pod": "web-0"}) == UID


@pytest.mark.parametrize("cgroup", ["", "/", "/kubepods", "/system.slice/podman.service"])
def test_what_is_no_pods_is_nobodys(cgroup: str) -> None:
    assert pod_uid({"id": cgroup}) == ""
    assert pod_uid({}) == ""


def test_a_pool_is_measured_only_where_a_prometheus_is_named() -> None:
    assert measurement(KubernetesSettings()) is None
    found = measurement(
        KubernetesSettings(prefix="city", prometheus_url="https://prometheus.example/base/")
    )
    assert found is not None
    assert found.url == "https://prometheus.example/base"
    assert found.matchers == 'namespace=~"city-.+",container!="",container!="POD"'


@pytest.mark.parametrize("url", ["prometheus:9090", "ftp://p", "http://", "https://p/?query=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="the address of a Prometheus"):
        KubernetesSettings.parse({"prometheus_url": url})
