"""What callers of a sleeping system get; with a real server before it and a real one behind it."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from cloudmgr.errors import Temporary
from cloudmgr.scaling.waker.sleepers import State
from tests.conftest import free_port
from tests.scaling.serving import serving, until
from tests.scaling.waker.dormitory import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from tests.scaling.waker.conftest import Served


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_probe_of_a_sleeping_system_is_answered_and_wakes_nothing(
    served: Served, method: str
) -> None:
    answer = served.ask("/healthz", method=method)
    assert answer.status_code == 200
    assert answer.headers["cloudmgr-state"] == "hibernated"
    assert served.sleepers.woken == []


def test_a_probe_of_a_system_that_does_not_come_up_is_told_so(served: Served) -> None:
    served.sleepers.become(State.UNAVAILABLE)
    answer = served.ask("/healthz")
    assert (answer.status_code, answer.headers["cloudmgr-state"]) == (503, "unavailable")


def test_a_hundred_first_requests_at_once_wake_it_once_and_all_are_answered(
    served: Served,
) -> None:
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda n: served.ask(f"/api/{n}"), range(100)))
    assert {a.status_code for a in answers} == {200}
    assert sorted(a.json()["path"] for a in answers) == sorted(f"/api/{n}" for n in range(100))
    assert len(served.sleepers.woken) == 1
    assert served.sleepers.woken[0].startswith("first request: GET /api/")
    until(lambda: served.waker.held == 0)


def test_a_form_that_was_sent_to_a_sleeping_system_arrives_whole(served: Served) -> None:
    body = bytes(range(256)) * 2_000
    answer = served.ask(
        "/%E8%A1%A8/a%2Fb?q=%2F&x=a+b", method="POST", content=body,
        headers={"x-own": "1", "x-forwarded-for": "10.1.2.3", "connection": "x-secret",
                 "x-secret": "2", "cookie": "session=1"},
    )  # fmt: skip
    assert answer.status_code == 200
    said = answer.json()
    headers = dict(said["headers"])
    assert said["length"] == len(body)
    assert said["path"] == "/%E8%A1%A8/a%2Fb?q=%2F&x=a+b"
    assert headers["host"] == HOST
    assert headers["x-own"] == "1"
    assert headers["x-forwarded-for"] == "10.1.2.3"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["content-length"] == str(len(body))
    assert headers["cookie"] == "session=1"
    assert "x-secret" not in headers
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "server" in answer.headers  # the replica's own


def test_a_body_of_unknown_length_is_passed_on_as_it_comes(served: Served) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 10_000

    answer = served.ask("/upload", method="PUT", content=pieces())
    assert answer.json()["length"] == 500_000
    assert dict(answer.json()["headers"])["transfer-encoding"] == "chunked"


def test_an_answer_flows_before_it_is_complete(served: Served) -> None:
    released = threading.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        import asyncio  # noqa: PLC0415

        while not released.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"second"})

    with serving(stream) as replica:
        served.sleepers.address = ("127.0.0.1", replica.port)
        with httpx.stream("GET", served.url, headers={"host": HOST}, trust_env=False) as answer:
            flow = answer.iter_raw()
            assert next(flow) == b"first"
            released.set()
            assert b"".join(flow) == b"second"


def test_what_does_not_come_up_in_time_is_a_504_that_says_when_to_try_again(
    impatient: Served,
) -> None:
    answer = impatient.ask("/api")
    assert answer.status_code == 504
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "10"
    assert answer.json()["code"] == "wake-timeout"
    until(lambda: impatient.waker.held == 0)


def test_more_than_can_be_held_are_refused_and_those_that_go_away_make_room(
    impatient: Served,
) -> None:
    sockets = [_asking(impatient.port) for _ in range(2)]
    until(lambda: impatient.waker.held == 2)
    answer = impatient.ask("/api")
    assert (answer.status_code, answer.json()["code"]) == (503, "too-many-waiting")
    assert answer.headers["retry-after"] == "3"
    assert impatient.visit().status_code == 202  # a page is not held
    for client in sockets:
        client.close()
    until(lambda: impatient.waker.held == 0)


def _asking(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(f"POST /api HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello".encode())
    return client


def test_an_unknown_address_is_not_found(served: Served) -> None:
    answer = served.ask(host="nobody.extranet.localhost:8090")
    assert answer.status_code == 404
    assert answer.json()["code"] == "no-such-system"


def test_why_it_cannot_be_woken_is_said_and_not_tried_at_every_request(served: Served) -> None:
    served.sleepers.refusing = Temporary("its pool has no room", code="pool-full", hint="wait")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: served.ask("/api"), range(20)))
    assert {a.status_code for a in answers} == {503}
    assert answers[0].json()["code"] == "pool-full"
    assert answers[0].json()["detail"] == "its pool has no room"
    assert len(served.sleepers.woken) == 1
    page = served.visit()
    assert page.status_code == 503
    assert "暂时无法使用" in page.text


def test_a_visitor_of_one_whose_call_is_kept_is_told_what_it_waits_for(served: Served) -> None:
    served.sleepers.refusing = Temporary("its pool has no room", code="pool-full", hint="wait")
    served.sleepers.wait("排在第 3 位。", "Number 3 in line.")
    served.visit()
    until(lambda: served.sleepers.woken != [])
    page = served.visit()
    assert page.status_code == 202
    assert "排在第 3 位。" in page.text
    assert "Number 3 in line." in served.visit(language="en").text


def test_a_request_waits_for_the_next_replica_if_the_known_one_does_not_listen(
    served: Served,
) -> None:
    served.sleepers.become(State.SERVING)
    served.sleepers.address = ("127.0.0.1", free_port())
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            served.ask("/api", method="POST", content=b"once").status_code
        )
    )
    asking.start()
    until(lambda: served.waker.held == 1)
    served.sleepers.start(after=0.2)
    asking.join()
    assert answers == [200]
    assert served.sleepers.replica.paths == ["/api"]
    assert served.sleepers.woken == []


def test_a_replica_that_breaks_off_is_not_asked_again_to_do_the_same(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served.sleepers.address = ("127.0.0.1", listening.getsockname()[1])
        asked: list[bytes] = []

        def accept() -> None:
            connection, _ = listening.accept()
            asked.append(connection.recv(1000))
            connection.close()

        breaking = threading.Thread(target=accept)
        breaking.start()
        answer = served.ask("/pay", method="POST", content=b"1000")
        breaking.join()
    assert (answer.status_code, answer.json()["code"]) == (502, "replica-lost")
    assert len(asked) == 1


def test_a_visit_shows_a_page_at_once_that_turns_into_the_system(served: Served) -> None:
    page = served.visit("/apply?form=1")
    assert page.status_code == 202
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["content-language"] == "zh-CN"
    assert "高考志愿&lt;填报&gt;" in page.text
    assert 'http-equiv="refresh"' in page.text
    until(lambda: served.sleepers.woken == ["first request: GET /apply"])
    # What the page's script asks, until an answer does not come from the waker any more.
    until(lambda: "cloudmgr-state" not in served.ask("/healthz").headers)
    system = served.visit("/apply?form=1")
    assert (system.status_code, system.json()["path"]) == (200, "/apply?form=1")
    assert len(served.sleepers.woken) == 1


def test_the_page_speaks_english_to_those_who_like_it_better(served: Served) -> None:
    page = served.visit(language="en-GB,zh;q=0.5")
    assert page.headers["content-language"] == "en"
    assert "<h1>Starting</h1>" in page.text
    assert "Enrolment" in page.text


def test_the_front_page_as_health_path_is_a_visit(served: Served) -> None:
    served.sleepers.probed_by("/")
    assert served.ask("/").json()["name"] == "exam"
    assert len(served.sleepers.woken) == 1


def test_what_the_pages_script_asks_wakes_nothing(served: Served) -> None:
    answer = served.ask("/", method="HEAD", headers={"cloudmgr-waiting": "1"})
    assert (answer.status_code, answer.headers["cloudmgr-state"]) == (200, "hibernated")
    assert served.sleepers.woken == []


def test_a_system_that_does_not_come_up_says_so_at_once(served: Served) -> None:
    served.sleepers.become(State.UNAVAILABLE)
    answer = served.ask("/api", method="POST", content=b"a")
    assert (answer.status_code, answer.json()["code"]) == (503, "system-unavailable")
    page = served.visit()
    assert page.status_code == 503
    assert 'class="still"' in page.text
    assert served.sleepers.woken == []


def test_a_websocket_is_held_and_joined_to_the_replica(served: Served) -> None:
    served.sleepers.startup = None  # what it wakes to is here
    with socket.create_server(("127.0.0.1", 0)) as listening:
        heard: list[bytes] = []

        def echo() -> None:
            connection, _ = listening.accept()
            heard.append(connection.recv(4000))
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
            while data := connection.recv(4000):
                connection.sendall(data[::-1])
            connection.close()

        replica = threading.Thread(target=echo)
        replica.start()
        with _upgrading(served.port) as client:
            until(lambda: served.sleepers.woken == ["first request: WebSocket /chat"])
            served.sleepers.address = ("127.0.0.1", listening.getsockname()[1])
            served.waker.changed("env_exam")
            assert client.recv(4000).startswith(b"HTTP/1.1 101 ")
            for word in (b"abc", b"x" * 3000):
                client.sendall(word)
                assert _exactly(client, len(word)) == word[::-1]
            assert served.waker.held == 1
        replica.join()
    assert heard[0].startswith(b"GET /chat?room=1 HTTP/1.1\r\n")
    assert f"host: {HOST}".encode() in heard[0].lower()
    until(lambda: served.waker.held == 0)


def test_a_websocket_to_what_does_not_come_up_is_refused_in_words(impatient: Served) -> None:
    with _upgrading(impatient.port) as client:
        answer = b""
        while data := client.recv(4000):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert json.loads(body)["code"] == "wake-timeout"


def _upgrading(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=10)
    client.sendall(
        f"GET /chat?room=1 HTTP/1.1\r\nHost: {HOST}:8090\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return client


def _exactly(client: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += client.recv(length - len(data))
    return data
