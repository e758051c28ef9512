"""Who is told from whom, and what of it is pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from starlette.datastructures import Headers

from cloudmgr.conditions import Condition, Status
from cloudmgr.hosting.environments import Endpoint, EnvironmentStatus
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.scaling.waker.app import Kind, host_of, kind_of, why_of
from cloudmgr.scaling.waker.page import language_of
from cloudmgr.scaling.waker.sleepers import Sleeper, State, endpoints_of, sleeper_of
from tests.builders import CREATED, a_component, a_system, an_environment
from tests.fakes import ManualClock

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("method", "path", "headers", "kind"),
    [
        ("GET", "/healthz", {}, Kind.PROBE),
        ("HEAD", "/healthz", {"accept": BROWSER}, Kind.PROBE),
        ("POST", "/healthz", {}, Kind.CALL),
        ("GET", "/healthz/more", {}, Kind.CALL),
        ("GET", "/", {"accept": BROWSER}, Kind.PAGE),
        ("GET", "/", {"accept": "*/*"}, Kind.CALL),
        ("GET", "/", {}, Kind.CALL),
        ("GET", "/", {"accept": "*/*", "sec-fetch-mode": "navigate"}, Kind.PAGE),
        ("GET", "/", {"accept": BROWSER, "sec-fetch-mode": "cors"}, Kind.CALL),
        ("GET", "/", {"accept": BROWSER, "x-requested-with": "XMLHttpRequest"}, Kind.CALL),
        ("GET", "/style.css", {"accept": "text/css,*/*;q=0.1"}, Kind.CALL),
        ("POST", "/form", {"accept": BROWSER, "sec-fetch-mode": "navigate"}, Kind.CALL),
        ("HEAD", "/", {"cloudmgr-waiting": "1"}, Kind.PROBE),
        ("GET", "/", {"accept": BROWSER, "cloudmgr-waiting": ""}, Kind.PAGE),
    ],
)
def test_people_programs_and_probes_are_told_apart(
    method: str, path: str, headers: dict[str, str], kind: Kind
) -> None:
    assert kind_of(method, path, Headers(headers), _sleeper()) is kind


@pytest.mark.parametrize(
    ("method", "path", "agent", "kind"),
    [
        ("GET", "/", "Mozilla/5.0 (compatible; Googlebot/2.1)", Kind.NOT_COUNTED),
        ("POST", "/login", "GOOGLEBOT", Kind.NOT_COUNTED),
        ("GET", "/metrics", "curl/8", Kind.NOT_COUNTED),
        ("HEAD", "/metrics", "", Kind.NOT_COUNTED),
        ("POST", "/metrics", "curl/8", Kind.CALL),
        ("GET", "/metrics/more", "curl/8", Kind.CALL),
        ("GET", "/healthz", "Googlebot", Kind.PROBE),
        ("GET", "/", "", Kind.CALL),
    ],
)
def test_what_policy_does_not_count_is_told_by_who_asks_or_for_what(
    method: str, path: str, agent: str, kind: Kind
) -> None:
    sleeper = replace(_sleeper(), not_counted=NotCounted(("Googlebot",), ("/metrics",)))
    headers = Headers({"user-agent": agent, "accept": "*/*"})
    assert kind_of(method, path, headers, sleeper) is kind


def _sleeper() -> Sleeper:
    return Sleeper("env_exam", "考试", "Exam", "/healthz", 20, State.HIBERNATED)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "zh"), ("*", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en", "en"),
        ("en-US,en;q=0.9,zh-CN;q=0.8", "en"), ("fr,de", "zh"), ("fr,en;q=0.1", "en"),
        ("zh;q=0,en;q=0.1", "en"), ("en;q=nonsense,zh;q=0.1", "zh"), ("EN", "en"), (",;,", "zh"),
    ],
)  # fmt: skip
def test_the_language_is_the_one_that_is_liked_better(accept: str, language: str) -> None:
    assert language_of(accept) == language


@pytest.mark.parametrize(
    ("header", "host"),
    [("A.localhost:8090", "a.localhost"), ("a.localhost.", "a.localhost"), ("", ""),
     ("[::1]:80", "[::1]")],
)  # fmt: skip
def test_a_host_is_a_name_without_its_port(header: str, host: str) -> None:
    assert host_of(header) == host


def test_why_it_is_woken_tells_no_query_and_is_plain_text() -> None:
    scope = {"method": "GET", "path": "/a\nb" + "c" * 500, "query_string": b"name=secret"}
    why = why_of(scope)
    assert why.startswith("first request: GET /abccc")
    assert len(why) == 200
    assert "secret" not in why


def _status(endpoints: int, status: Status, age: float, generation: int = 1) -> EnvironmentStatus:
    since = CREATED - timedelta(seconds=age)
    return EnvironmentStatus(
        conditions=(
            Condition("Applied", Status.TRUE, "AsApproved", "", generation, since),
            Condition("Available", status, "Reason", "", generation, since),
        ),
        endpoints=tuple(Endpoint("web", "127.0.0.1", 9000 + n) for n in range(endpoints)),
    )


def _lacking(endpoints: int) -> EnvironmentStatus:
    """A secret has no value yet."""
    known = _status(endpoints, Status.FALSE, 1)
    lacks = Condition("Applied", Status.FALSE, "SecretsMissing", "", 1, CREATED)
    return replace(known, conditions=(lacks, *known.conditions[1:]))


@pytest.mark.parametrize(
    ("target", "status", "state"),
    [
        (0, _status(0, Status.TRUE, 9_000), State.HIBERNATED),
        (0, _status(1, Status.TRUE, 9_000), State.HIBERNATED),
        (1, _status(0, Status.TRUE, 9_000, generation=0), State.STARTING),
        (1, _status(0, Status.FALSE, 59), State.STARTING),
        (1, _status(0, Status.FALSE, 61), State.UNAVAILABLE),
        (1, _status(1, Status.FALSE, 61), State.SERVING),
        (1, EnvironmentStatus(), State.STARTING),
        (1, _lacking(0), State.UNAVAILABLE),
        (1, _lacking(1), State.SERVING),
    ],
)
def test_what_an_environment_is_to_its_callers(
    target: int, status: EnvironmentStatus, state: State
) -> None:
    environment = an_environment(target={"web": target}, status=status)
    found = sleeper_of(environment, a_system(), ManualClock(CREATED))
    assert found is not None
    assert found.state is state
    assert found.name_zh == "高考志愿填报"


def test_business_time_that_runs_faster_makes_no_start_late() -> None:
    class Faster(ManualClock):
        def elapsed(self, span: timedelta) -> float:
            return span.total_seconds() / 360

    environment = an_environment(status=_status(0, Status.FALSE, 360 * 59))
    found = sleeper_of(environment, a_system(), Faster(CREATED))
    assert found is not None
    assert found.state is State.STARTING


def test_what_was_refused_for_good_does_not_come_up() -> None:
    refused = Condition("Applied", Status.FALSE, "Refused", "", 1, CREATED)
    environment = an_environment(status=EnvironmentStatus(conditions=(refused,)))
    found = sleeper_of(environment, a_system(), ManualClock(CREATED))
    assert found is not None
    assert found.state is State.UNAVAILABLE


def test_only_ready_replicas_of_the_web_component_of_what_is_to_run_are_named() -> None:
    status = EnvironmentStatus(endpoints=(Endpoint("worker", "h", 1), Endpoint("web", "h", 2)))
    environment = an_environment(status=status)
    assert endpoints_of(environment) == (("h", 2),)
    assert endpoints_of(an_environment(status=status, target={"web": 0})) == ()
    assert endpoints_of(an_environment(status=status, retiring=True)) == ()
    silent = an_environment(components=(a_component(port=None),), status=status)
    assert endpoints_of(silent) == ()
    assert sleeper_of(silent, a_system(), ManualClock()) is None
