"""An OpenStack pool against a loop over openstacksdk that makes the same by hand.

Runs the lab of ``tests/labs/openstack``: real keystone, nova, placement, neutron and glance, and
servers that are processes of this machine. cloudmgr has the rights that ``deploy/openstack`` gives;
what it is compared with is an administrator, who checks nothing and remembers nothing.
"""

from __future__ import annotations

import base64
import logging
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openstack
import yaml

from bench import city
from bench.table import machine, show, verdict
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import upgrade
from cloudmgr.hosting.reconciler import EnvironmentReconciler
from cloudmgr.hosting.sealing import KeyFile
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.pools.drivers.openstack.driver import OpenStackDriver
from cloudmgr.pools.drivers.openstack.settings import OpenStackSettings
from cloudmgr.reconcile.leases import Leases
from cloudmgr.reconcile.loop import Loop
from cloudmgr.wiring.stores import Stores
from tests.labs.openstack import build
from tests.labs.openstack.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openstack.connection import Connection

ENVIRONMENTS, SERVERS = 3, 20
PARALLEL = 8
IDLE_SECONDS = 60.0
PORT = 8080
_WITHIN = 900.0
_SECRET = "of a script"  # noqa: S105 - of a cloud that lives for minutes
_COMPONENT = replace(
    city.COMPONENT,
    command=(),
    image="lab-web:1",
    cpu_millis=1000,
    memory_mib=128,
    port=PORT,
    health_path="/health",
    storage_gib=0,
    max_replicas=SERVERS,
)


@contextmanager
def cloud(directory: Path) -> Iterator[Cloud]:
    lab = Cloud(directory, build.built())
    try:
        lab.start()
        lab.make("compute", "flavor", {"name": "bench", "vcpus": 1, "ram": 128, "disk": 1})
        for number in range(4):
            lab.add_host(f"bench{number}", 32, 65536)
        yield lab
    finally:
        lab.stop()


def wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WITHIN
    while not ready():
        if time.monotonic() > deadline:
            message = f"{what}: not within {_WITHIN} s"
            raise SystemExit(message)
        time.sleep(0.5)


@contextmanager
def working(directory: Path, lab: Cloud) -> Iterator[tuple[Database, Stores, Loop]]:
    """A reconcile loop on a database of its own, with an OpenStack pool."""
    database, stores, clock = Database(f"sqlite:///{directory}/ours.db"), Stores(), SystemClock()
    upgrade(database)
    settings = OpenStackSettings(
        clouds_file=str(lab.account("cloudmgr", ("cloudmgr", "reader"))),
        cloud="lab",
        prefix="ours",
        flavors=("bench",),
        subnet_pool="lab",
        subnet_prefix=26,
        dhcp=False,
        gateway_cidrs=("127.0.0.1/32",),
        storage_gib=1000,  # nothing takes of it, and cinder is asked all the same
        parallel=PARALLEL,
    )
    driver = OpenStackDriver("bench", clock, settings)
    secrets = Secrets(stores.environments, stores.secrets, KeyFile(directory / "no-key"), clock)
    reconciler = EnvironmentReconciler(
        database, stores.environments, {"pool_local-extranet": driver}, clock, secrets=secrets
    )
    leases = Leases(database, stores.leases, clock, "bench")
    loop = Loop(reconciler, leases.fence, clock, workers=4, resync_seconds=3600)
    leases.start()
    driver.start(loop.wake)
    wait(lambda: driver.converges, "the lease")
    loop.start()
    try:
        yield database, stores, loop
    finally:
        loop.stop()
        driver.close()
        leases.stop()
        database.close()


def ours(directory: Path, lab: Cloud) -> tuple[float, int, float]:
    """Seconds until all is Ready, requests for that, and requests for each look afterwards."""
    with working(directory, lab) as (database, stores, loop):
        before, began = asked(lab), time.perf_counter()
        with database.write() as tx:
            made = city.found(tx, stores, ENVIRONMENTS, replicas=SERVERS, component=_COMPONENT)
        for environment in made:
            loop.wake(environment.id)

        def ready() -> bool:
            with database.read() as tx:
                found = stores.environments.by_ids(tx, [e.id for e in made])
            return all(e.status.ready.get("web") == SERVERS for e in found)

        wait(ready, "cloudmgr's servers")
        took, requests = time.perf_counter() - began, asked(lab) - before
        time.sleep(10)
        before, looked = asked(lab), asked(lab, "/servers/detail")
        time.sleep(IDLE_SECONDS)
        looks = asked(lab, "/servers/detail") - looked
        return took, requests, (asked(lab) - before) / max(1, looks)


def asked(lab: Cloud, path: str = "") -> int:
    """How many requests cloudmgr has made so far."""
    return sum(
        r["agent"].startswith("cloudmgr") and r["path"].endswith(path) for r in lab.requests()
    )


# --------------------------------------------------------------------------------------- by hand


def theirs(lab: Cloud) -> float:
    """The same, by as many threads of a script that an administrator would write."""
    login = lab.entry
    admin = openstack.connect(**login)
    # Glance takes what is before a colon in a name that is asked for as an operator.
    image = next(i for i in admin.image.images() if i.name == "lab-web:1")
    flavor = admin.compute.find_flavor("bench", ignore_missing=False)
    # The services' first answers are slow, whoever asks.
    answers(server(ground(admin, login, ENVIRONMENTS), "first", image=image.id, flavor=flavor.id))
    began = time.perf_counter()
    with ThreadPoolExecutor(PARALLEL) as threads:
        grounds = list(threads.map(lambda n: ground(admin, login, n), range(ENVIRONMENTS)))

        def serve(number: int) -> str:
            found = grounds[number % ENVIRONMENTS]
            return server(found, f"web-{number}", image=image.id, flavor=flavor.id)

        addresses = list(threads.map(serve, range(ENVIRONMENTS * SERVERS)))
        list(threads.map(answers, addresses))
    return time.perf_counter() - began


def ground(admin: Connection, login: dict[str, Any], number: int) -> dict[str, Any]:
    name = f"theirs-{number}"
    identity: Any = admin.identity
    project = identity.create_project(name=name, domain_id="default")
    user = identity.create_user(name=name, domain_id="default", password=_SECRET)
    identity.assign_project_role_to_user(project, user, identity.find_role("member"))
    count = SERVERS + 1
    admin.set_compute_quotas(
        project.id, cores=count, ram=128 * count, instances=count, server_group_members=count
    )
    admin.set_network_quotas(project.id, port=SERVERS + 5)
    auth = {**login["auth"], "username": name, "password": _SECRET, "project_name": name}
    member = openstack.connect(**{**login, "auth": auth})
    pool = admin.network.find_subnet_pool("lab", ignore_missing=False)
    network = member.network.create_network(name=name)
    member.network.create_subnet(
        name=name,
        network_id=network.id,
        ip_version=4,
        subnet_pool_id=pool.id,
        prefix_length=26,
        is_dhcp_enabled=False,
    )
    group = member.network.create_security_group(name="web")
    member.network.create_security_group_rule(
        security_group_id=group.id,
        direction="ingress",
        protocol="tcp",
        port_range_min=PORT,
        port_range_max=PORT,
        remote_ip_prefix="127.0.0.1/32",
    )
    apart = member.compute.create_server_group(name="web", policy="soft-anti-affinity")
    return {"member": member, "network": network.id, "group": group.id, "apart": apart.id}


def server(found: dict[str, Any], name: str, *, image: str, flavor: str) -> str:
    """Its address, once nova says that it runs."""
    member: Connection = found["member"]
    told = {"path": "/etc/cloudmgr/environment", "content": f'PORT="{PORT}"\n'}
    data = "#cloud-config\n" + yaml.safe_dump({"write_files": [told]})
    port = member.network.create_port(
        name=name, network_id=found["network"], security_groups=[found["group"]]
    )
    made = member.compute.create_server(
        name=name,
        image_id=image,
        flavor_id=flavor,
        networks=[{"port": port.id}],
        user_data=base64.b64encode(data.encode()).decode(),
        config_drive=True,
        scheduler_hints={"group": found["apart"]},
    )
    member.compute.wait_for_server(made, interval=1, wait=int(_WITHIN))
    return str(port.fixed_ips[0]["ip_address"])


def answers(address: str) -> None:
    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}:{PORT}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait(healthy, address)


def said(sentence: str) -> None:
    """Progress: the whole takes some minutes."""
    print(sentence, file=sys.stderr, flush=True)


def main() -> None:
    logging.disable(logging.WARNING)
    about = machine()
    with tempfile.TemporaryDirectory() as name, cloud(Path(name) / "lab") as lab:
        by_hand = theirs(lab)
        said(f"by hand: {by_hand:.1f} s")
        for found in lab.find("compute", "servers", all_tenants=1):
            lab.api("compute").delete(f"/servers/{found['id']}")
        wait(lambda: not lab.find("compute", "servers", all_tenants=1), "an empty cloud")
        took, requests, looked = ours(Path(name), lab)
        said(f"cloudmgr: {took:.1f} s, {requests} requests")
    count = ENVIRONMENTS * SERVERS
    show(
        "OpenStack pool, 7 hosts",
        ["", "cloudmgr s", "by hand s", "ratio", "goal 1.15"],
        [
            (
                f"{count} servers of {ENVIRONMENTS} new environments, until all serve",
                f"{took:.1f}", f"{by_hand:.1f}", f"{took / by_hand:.2f}",
                verdict(held=took <= 1.15 * by_hand),
            )
        ],
        f"by hand: {PARALLEL} threads over openstacksdk that make the same projects, users,",
        "quotas, networks, groups, ports and servers, wait for each and ask it for its health.",
        f"cloudmgr: as many at once, {requests} requests. When nothing moves: {looked:.1f} "
        f"requests for each look at the pool (goal 3: {verdict(held=looked <= 3)})",
        about,
    )  # fmt: skip


if __name__ == "__main__":
    main()
