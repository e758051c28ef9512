"""An apiserver that answers badly: what ought to be there is there in the end."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from cloudmgr.errors import CloudmgrError, Permanent, Temporary
from cloudmgr.pools.drivers.kubernetes.cluster import Cluster, GoneError
from cloudmgr.pools.drivers.kubernetes.names import COST, namespace_of
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings
from tests.labs.kubernetes.faults import CUT, EXPIRED, FaultyApiserver, every, refusal
from tests.pools.grounds import settled, workload
from tests.pools.kubernetes_ground import QUICK
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloudmgr.pools.drivers.driver import Workload
    from cloudmgr.pools.drivers.kubernetes.driver import KubernetesDriver
    from tests.labs.kubernetes.controlplane import ControlPlane
    from tests.pools.kubernetes_ground import KubernetesGround

pytestmark = pytest.mark.kubernetes

WRITES = "PATCH", "POST", "DELETE"
NO_APISERVER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n"
    b"<h1>Please log in</h1>"
)


@pytest.fixture
def faulty(kubernetes_lab: ControlPlane) -> Iterator[FaultyApiserver]:
    made = FaultyApiserver(kubernetes_lab)
    yield made
    made.close()


@pytest.fixture
def driver(ground: KubernetesGround, faulty: FaultyApiserver) -> Iterator[KubernetesDriver]:
    """A started driver of the ground's pool that reaches its cluster through ``faulty``."""
    # A word each second, or the connection is taken for dead: so a frozen apiserver is found soon.
    timing = replace(QUICK, answer=2.0, silence=2.0)
    driver = ground.make(timing, kubeconfig=str(faulty.kubeconfig(ground.kubeconfig)))
    driver.start(lambda _: None)
    until(lambda: driver.capacity().allocatable == ground.host)
    yield driver
    driver.close()


def converge(driver: KubernetesDriver, wanted: Workload) -> set[str]:
    """Apply until it is so, as the environment's reconciler does; the codes of what went wrong."""
    codes: set[str] = set()

    def done() -> bool:
        try:
            seen = driver.observe(wanted.environment_id)
            if seen is not None and seen.digest == wanted.digest:
                return True
            driver.apply(wanted)
        except Temporary as error:
            codes.add(error.code)
        return False

    until(done)
    return codes


def said(driver: KubernetesDriver) -> Temporary | None:
    """Why nothing can be told, if nothing can."""
    try:
        driver.observe("env_exam")
    except Temporary as error:
        return error
    return None


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_every_second_write_that_fails_is_done_in_the_end(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver, status: int
) -> None:
    faulty.fault = every(2, refusal(status), *WRITES)
    assert converge(driver, workload(ground.web(replicas=2))) == {"pool-busy"}
    first = settled(driver, 2)
    converge(driver, workload(ground.web(replicas=1)))
    assert [r.id for r in settled(driver, 1)] == [first[0].id], "the newest went, for all that"


def test_storage_grows_though_every_second_write_fails(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver
) -> None:
    converge(driver, workload(ground.web(storage_gib=1, replicas=3)))
    before = settled(driver, 3)
    faulty.fault = every(2, refusal(500), *WRITES)
    converge(driver, workload(ground.web(storage_gib=2, replicas=3)))
    assert {r.id for r in settled(driver, 3)} == {r.id for r in before}
    held = [a for a in driver.allocations() if a.size.storage_gib and not a.ended_at]
    assert [a.size.storage_gib for a in held] == [2, 2, 2]


def test_conflicts_on_every_write_are_told_and_no_harm_once_they_end(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver
) -> None:
    converge(driver, workload(ground.web()))
    before = settled(driver, 1)
    conflict = "Operation cannot be fulfilled: the object has been modified"
    faulty.fault = every(1, refusal(409, conflict), *WRITES)
    wanted = workload(ground.web(replicas=3))
    for _ in range(20):
        with pytest.raises(Temporary) as busy:
            driver.apply(wanted)
        assert busy.value.code == "pool-busy"
        assert busy.value.message == f"the cluster of pool test answers 409: {conflict}"
    assert settled(driver, 1) == before
    faulty.fault = every(1, refusal(409), "DELETE")
    converge(driver, wanted)
    assert settled(driver, 3)[0].id == before[0].id


@pytest.mark.parametrize(
    "refused",
    [
        refusal(422, "spec.template: Invalid value"),
        refusal(403, "the storageclass that provisions the pvc must support resize"),
    ],
    ids=["invalid", "no expansion"],
)
def test_a_write_that_the_cluster_refuses_for_good_is_said_so(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver, refused: bytes
) -> None:
    faulty.fault = lambda method, path: (
        refused if method == "PATCH" and "deployments" in path else None
    )
    with pytest.raises(Permanent) as error:
        driver.apply(workload(ground.web()))
    assert error.value.code == "pool-refuses"
    assert re.search("answers (422: spec.template|403: the storageclass)", error.value.message)


def test_who_was_to_go_and_stayed_is_not_the_first_to_go_later(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver
) -> None:
    converge(driver, workload(ground.web(replicas=3)))
    oldest, older, _ = settled(driver, 3)
    busy = refusal(409)
    faulty.fault = lambda _method, path: busy if "/scale?" in path else None
    with pytest.raises(Temporary):
        driver.apply(workload(ground.web(replicas=1)))
    faulty.fault = lambda _method, _path: None
    driver.apply(workload(ground.web(replicas=3)))  # it is to be as it was
    converge(driver, workload(ground.web(replicas=2)))
    assert [r.id for r in settled(driver, 2)] == [oldest.id, older.id]
    with ground.lab.client() as api:
        pods = api.get(f"/api/v1/namespaces/{namespace_of(ground.prefix, 'env_exam')}/pods").json()
    marked = [p for p in pods["items"] if COST in p["metadata"].get("annotations", {})]
    assert {p["metadata"]["uid"] for p in marked}.isdisjoint({oldest.id, older.id})


def test_what_was_removed_a_moment_ago_is_written_anew(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver
) -> None:
    converge(driver, workload(ground.web()))
    # It is gone already, and the watch has not told so yet.
    faulty.fault = every(1, refusal(404, 'deployments.apps "web" not found'), *WRITES)
    with pytest.raises(Temporary) as error:
        driver.apply(workload(ground.web(replicas=2)))
    assert error.value.message == (
        'somebody has just removed what was there: deployments.apps "web" not found'
    )
    faulty.fault = lambda _method, _path: None
    converge(driver, workload(ground.web(replicas=2)))
    settled(driver, 2)


def test_a_watch_that_is_cut_all_the_time_misses_nothing(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver
) -> None:
    faulty.watches = 1.0
    # Those that are open already are not cut: begin them anew.
    other = ground.make(kubeconfig=str(faulty.kubeconfig(ground.kubeconfig)))
    other.start(lambda _: None)
    try:
        for replicas in (1, 3, 2, 4):
            wanted = workload(ground.web(replicas=replicas))
            converge(other, wanted)
            settled(other, replicas)
        until(lambda: faulty.cuts > 20)
        assert said(other) is None, "a watch that ends is no trouble"
        assert list(other.allocations()) == list(ground.driver.allocations())
    finally:
        other.close()
    assert said(driver) is None


@pytest.mark.parametrize("answer", [refusal(410), EXPIRED], ids=["at once", "in the watch"])
def test_a_version_that_is_too_old_is_listed_anew(
    ground: KubernetesGround, driver: KubernetesDriver, faulty: FaultyApiserver, answer: bytes
) -> None:
    converge(driver, workload(ground.web()))
    before = settled(driver, 1)
    faulty.fault = lambda _method, path: answer if "watch=" in path else None
    # Each watch is at its end within two seconds; then nothing is seen but by lists.
    ground.driver.apply(workload(ground.web(replicas=3)))
    assert settled(driver, 3)[0].id == before[0].id
    faulty.fault = lambda _method, _path: None
    ground.driver.apply(workload(ground.web(replicas=2)))
    settled(driver, 2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(500, "etcdserver: no leader"), ("answers 500: etcdserver: no leader", "")),
        (refusal(401), ("does not know our credentials", "renew the token or certificate")),
        (CUT, ("cannot be reached: the connection broke", "see that its apiserver runs")),
        (NO_APISERVER, ("is no apiserver: <h1>Please log in", "see what stands between")),
    ],
    ids=["ill", "credentials", "cut", "a stranger"],
)
def test_a_cluster_that_answers_nothing_of_use_is_said_in_words_and_then_well_again(
    ground: KubernetesGround,
    driver: KubernetesDriver,
    faulty: FaultyApiserver,
    answer: bytes,
    words: tuple[str, str],
) -> None:
    converge(driver, workload(ground.web()))
    before = settled(driver, 1)
    faulty.fault = lambda _method, _path: answer
    with pytest.raises(Temporary):
        driver.apply(workload(ground.web(replicas=2)))
    error = until(lambda: said(driver))
    assert error.code == "pool-unreachable"
    assert words[0] in error.message
    assert words[1] in error.hint
    faulty.fault = lambda _method, _path: None
    converge(driver, workload(ground.web(replicas=2)))
    assert settled(driver, 2)[0].id == before[0].id


def test_a_scale_up_goes_on_once_a_frozen_apiserver_is_thawed(
    ground: KubernetesGround, driver: KubernetesDriver
) -> None:
    converge(driver, workload(ground.web()))
    before = settled(driver, 1)
    (paid,) = driver.allocations()
    driver.apply(workload(ground.web(replicas=5)))
    ground.lab.freeze("apiserver")
    try:
        error = until(lambda: said(driver), what="the news that it is away")
        assert "cannot be reached: it does not answer in time" in error.message
        with pytest.raises(Temporary):
            driver.apply(workload(ground.web(replicas=5)))
        assert ground.get(before[0])[0] == 200, "what runs goes on"
    finally:
        ground.lab.thaw("apiserver")
    converge(driver, workload(ground.web(replicas=5)))
    replicas = settled(driver, 5)
    assert replicas[0].id == before[0].id
    held = list(driver.allocations())
    assert {a.id for a in held} == {r.id for r in replicas}, "one for each, and no other"
    assert all(a.ended_at is None for a in held)
    assert paid in held, "it was held all the time"


def test_credentials_that_were_renewed_are_taken_up(ground: KubernetesGround) -> None:
    kubeconfig = ground.lab.kubeconfig("short", token="expired")
    driver = ground.make(kubeconfig=str(kubeconfig))
    driver.start(lambda _: None)
    error = until(lambda: said(driver))
    assert "does not know our credentials" in error.message
    assert "renew" in error.hint
    kubeconfig.write_text("clusters: [half writ")
    with pytest.raises(Temporary):
        driver.capacity()
    kubeconfig.write_text(ground.kubeconfig.read_text())
    until(lambda: said(driver) is None)
    converge(driver, workload(ground.web()))
    settled(driver, 1)


def test_no_connection_is_lost_to_answers_that_are_no_use(
    ground: KubernetesGround, faulty: FaultyApiserver
) -> None:
    settings = KubernetesSettings(kubeconfig=str(faulty.kubeconfig(ground.kubeconfig)))
    cluster = Cluster("test", settings, replace(QUICK, answer=2.0))
    namespaces = "/api/v1/namespaces"

    def follow() -> None:
        for _ in cluster.watch(namespaces, bare=True):
            pass

    calls: list[Callable[[], object]] = [
        partial(cluster.list, namespaces, bare=True),
        partial(cluster.merge, f"{namespaces}/none", {}),
        follow,
    ]

    def ask(answer: bytes | None) -> int:
        """How many connections are open after a hundred calls that were answered so."""
        faulty.fault = lambda _method, _path: answer
        for number in range(100):
            try:
                calls[number % len(calls)]()
            except (CloudmgrError, GoneError):
                continue
        here = psutil.Process(os.getpid()).net_connections("tcp")
        return sum(bool(c.raddr) and c.raddr.port == faulty.port for c in here)

    faulty.watches = 0.01
    try:
        calls[0]()
        for status in (401, 403, 404, 410, 429, 500):
            assert ask(refusal(status)) == 1
        assert faulty.connections == 1, "all of it went over one"
        for answer in (CUT, EXPIRED, NO_APISERVER):
            assert ask(answer) <= 1
        assert ask(None) <= 1
    finally:
        cluster.close()
