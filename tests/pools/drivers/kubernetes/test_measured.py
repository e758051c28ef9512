from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.pools.drivers.besides import Measured
from cloudmgr.pools.drivers.kubernetes.driver import KubernetesDriver
from cloudmgr.pools.drivers.kubernetes.measured import measurement, pod_uid
from cloudmgr.pools.drivers.kubernetes.mirror import allocation_of_pod
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings
from tests.fakes import InstantPool, ManualClock
from tests.pools.drivers.kubernetes.objects import pod, read

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_pods_allocation_is_called_as_its_cgroup_is() -> None:
    seen = read(pod(meta={"uid": UID}))
    allocation = allocation_of_pod(seen)

    assert allocation is not None
    assert allocation.id == pod_uid({"id": f"/kubepods/burstable/pod{UID}/8c1d"})
    assert seen.namespace.startswith("city-")


def test_the_driver_says_where_its_pool_is_measured(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: it, users: [{name: it, user: {}}],"
        " contexts: [{name: it, context: {cluster: it, user: it}}],"
        " clusters: [{name: it, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    settings = {"kubeconfig": str(kubeconfig), "prometheus_url": "http://127.0.0.1:9090"}
    driver = KubernetesDriver("a", ManualClock(), KubernetesSettings.parse(settings))

    assert isinstance(driver, Measured)
    assert driver.measurement is not None
    assert driver.measurement.url == "http://127.0.0.1:9090"
    assert not isinstance(InstantPool(), Measured)
    driver.close()


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
