"""What clients see while replicas come, go and die; with a real Traefik and real servers."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from cloudmgr.policy.not_counted import NotCounted
from tests.conftest import free_port
from tests.scaling.gateway.conftest import HOST, ask, lead, route
from tests.scaling.serving import Replica, ReplicaProcess, Server, serving, until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from cloudmgr.scaling.gateway.traefik import Gateway


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as its client lived it; ``status`` 0: without an answer, and ``fault`` is why."""

    began: float
    ended: float
    status: int
    body: str
    fault: str = ""


class Load:
    """Clients that ask without a pause, GET and POST in turn, each POST with a body of its own."""

    def __init__(self, gateway: Gateway, clients: int = 3) -> None:
        self.clients = clients
        self._url = gateway.url
        self.seen: list[Seen] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, requests: int) -> None:
        """Wait until so many further requests were answered."""
        goal = len(self.seen) + requests
        until(lambda: len(self.seen) >= goal)

    @property
    def failed(self) -> list[Seen]:
        return [s for s in self.seen if s.status != 200]

    def _run(self, client_number: int) -> None:
        number = 0
        with httpx.Client(trust_env=False, timeout=20) as client:
            while not self._over.is_set():
                number += 1
                body = f"{client_number}.{number}" if number % 2 else ""
                began, fault = time.monotonic(), ""
                try:
                    answer = client.request(
                        "POST" if body else "GET", self._url, headers={"host": HOST}, content=body
                    )
                    status = answer.status_code
                except httpx.HTTPError as error:
                    status, fault = 0, repr(error)
                self.seen.append(Seen(began, time.monotonic(), status, body, fault))


def test_scaling_up_down_and_to_sleep_under_load_costs_no_request(
    gateway: Gateway, waker_server: Server
) -> None:
    with ExitStack() as stack:
        first = Server(Replica("first")).start()
        stack.callback(first.stop)
        lead(gateway, waker_server, route(first.port))
        load = stack.enter_context(Load(gateway))
        for _ in range(2):
            more = [Server(Replica(f"more {n}")).start() for n in range(2)]
            lead(gateway, waker_server, route(first.port, *(s.port for s in more)))
            load.more(60)
            lead(gateway, waker_server, route(first.port))
            for server in more:
                server.stop()
            load.more(40)
        lead(gateway, waker_server, route())  # hibernated: the waker answers
        load.more(40)
        lead(gateway, waker_server, route(first.port))
        load.more(40)
    assert load.failed == []


def test_when_one_of_three_is_killed_only_what_it_was_working_on_fails_and_nothing_is_done_twice(
    gateway: Gateway, waker_server: Server, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    replicas = [ReplicaProcess(diary) for _ in range(3)]
    try:
        for replica in replicas:
            _await(replica.port)
        lead(gateway, waker_server, route(*(r.port for r in replicas)))
        with Load(gateway) as load:
            load.more(60)
            before = time.monotonic()
            replicas[0].kill()
            load.more(150)
            lead(gateway, waker_server, route(*(r.port for r in replicas[1:])))
            load.more(40)
    finally:
        for replica in replicas:
            replica.kill()
    # Under way when it died, one for each client, or sent to it before Traefik heard of its death;
    # a third of all that came after would be fifty.
    assert len(load.failed) <= 2 * load.clients
    assert all(seen.ended >= before for seen in load.failed)
    done = diary.read_text().split()
    answered = {s.body for s in load.seen if s.body and s.status == 200}
    assert len(done) == len(set(done))
    assert answered <= set(done)


def _await(port: int) -> None:
    def listens() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False

    until(listens)


def test_when_all_are_dead_the_waker_gets_the_request_with_its_body(
    gateway: Gateway, waker_server: Server
) -> None:
    lead(gateway, waker_server, route(free_port(), free_port(), free_port()))
    # Not answered at once: see what `routes` says of large bodies.
    answer = ask(gateway, "/file?seconds=0.02", method="POST", content=b"x" * 300_000)
    assert answer.json()["name"] == "waker"
    assert answer.json()["length"] == 300_000


def test_some_errors_of_an_application_do_not_take_it_out_of_service(
    gateway: Gateway, waker_server: Server
) -> None:
    with serving(Replica("faulty")) as faulty:
        lead(gateway, waker_server, route(faulty.port))
        answers = [ask(gateway, f"/?status={code}").json() for code in [500, 502, 503, 200] * 5]
    assert {answer["name"] for answer in answers} == {"faulty"}


def test_requests_to_a_sleeping_system_wait_for_a_waker_that_restarts(gateway: Gateway) -> None:
    port = free_port()
    lead(gateway, f"http://127.0.0.1:{port}", route())
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(gateway, method="POST", content=b"form"))
    )
    asking.start()
    time.sleep(0.3)  # for some refused attempts; more or fewer change nothing
    with serving(Replica("waker"), port=port):
        asking.join()
    assert (answers[0].status_code, answers[0].json()["body"]) == (200, "form")


def test_what_is_counted_is_each_request_once_and_no_probe(
    gateway: Gateway, waker_server: Server
) -> None:
    tax = {"environment_id": "env_tax", "host": "tax.extranet.localhost"}
    host = tax["host"]
    with serving(Replica("tax")) as replica:
        lead(gateway, waker_server, route(replica.port, free_port(), **tax))
        for _ in range(3):
            ask(gateway, host=host)
        ask(gateway, "/?status=500&seconds=0.2", host=host, method="POST", content=b"a")
        ask(gateway, "/healthz", host=host)
        ask(gateway, "/healthz", host=host, method="HEAD")
        ask(gateway, "/healthz", host=host, method="POST")  # no probe: it does something
        lead(gateway, waker_server, route(**tax))  # asleep, and the counters go on
        ask(gateway, host=host)
        lead(gateway, waker_server, route(replica.port, **tax))
        ask(gateway, host=host)
    counters = gateway.read().counters["env_tax"]
    assert counters.requests == 7
    assert counters.by_code == {"200": 6, "500": 1}
    assert counters.seconds >= 0.2
    assert not [name for name in gateway.read().counters if not name.startswith("env_")]


def test_what_policy_does_not_count_is_answered_and_counted_apart(
    gateway: Gateway, waker_server: Server
) -> None:
    lots = {"environment_id": "env_lots", "host": "lots.extranet.localhost"}
    names = NotCounted(("Googlebot", "monitor (v1.0+x)"), ("/metrics", "/robots.txt"))
    apart = [
        ("GET", "/", "Mozilla/5.0 (compatible; Googlebot/2.1)"),
        ("GET", "/deep?q=1", "googlebot"),
        ("POST", "/form", "Our Monitor (v1.0+x) of the city"),
        ("GET", "/metrics", "curl/8"),
        ("HEAD", "/robots.txt", "curl/8"),
        ("GET", "/healthz", "Googlebot"),
    ]
    counted = [
        ("GET", "/", "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"),
        ("GET", "/", "monitor (v1x0+x)"),
        ("POST", "/metrics", "curl/8"),
        ("GET", "/metrics/all", "curl/8"),
    ]
    system = Replica("lots")
    with serving(system) as replica:
        lead(gateway, waker_server, route(replica.port, **lots), not_counted=names)
        for method, path, agent in [*apart, *counted]:
            answer = ask(
                gateway, path, host=lots["host"], method=method, headers={"user-agent": agent}
            )
            assert answer.status_code == 200
        assert len(system.paths) == len(apart) + len(counted)
        lead(gateway, waker_server, route(**lots), not_counted=names)  # asleep
        ask(gateway, host=lots["host"], headers={"user-agent": "Googlebot"})
        lead(gateway, waker_server, route(**lots))  # policy has changed
        ask(gateway, host=lots["host"], headers={"user-agent": "Googlebot"})
    assert gateway.read().counters["env_lots"].requests == len(counted) + 1
