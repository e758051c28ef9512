from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.errors import Invalid
from cloudmgr.policy.not_counted import NotCounted
from cloudmgr.scaling.gateway.routes import Route, digest, document, probe_path

WAKER = ("http://127.0.0.1:9000",)
EXAM = Route("env_exam", "exam.extranet.localhost", "/healthz", (("127.0.0.1", 9001),))


def _http(*routes: Route, wakers: tuple[str, ...] = WAKER) -> dict[str, Any]:
    http: dict[str, Any] = document(routes, wakers)["http"]
    return http


def test_a_document_without_any_environment_is_not_empty() -> None:
    http = _http()
    assert set(http["routers"]) == {"ping", "applied"}
    assert "services" not in http


def test_own_servers_come_before_the_waker_by_a_million_to_one() -> None:
    servers = _http(EXAM)["services"]["env_exam"]["loadBalancer"]["servers"]
    assert servers == [
        {"url": "http://127.0.0.1:9001", "weight": 1_000_000},
        {"url": "http://127.0.0.1:9000", "weight": 1},
    ]


def test_a_sleeping_environment_keeps_its_routers_and_has_the_waker_alone() -> None:
    asleep = Route("env_exam", "exam.extranet.localhost", "/healthz")
    http = _http(asleep)
    assert set(http["routers"]) == set(_http(EXAM)["routers"])
    balancer = http["services"]["env_exam"]["loadBalancer"]
    assert balancer["servers"] == [{"url": "http://127.0.0.1:9000", "weight": 1}]
    assert "passiveHealthCheck" not in balancer


def test_probes_have_a_router_of_their_own() -> None:
    rule = _http(EXAM)["routers"]["env_exam-health"]["rule"]
    assert rule == (
        "Host(`exam.extranet.localhost`) && Path(`/healthz`) && (Method(`GET`) || Method(`HEAD`))"
    )


def test_what_policy_does_not_count_shares_the_router_of_probes() -> None:
    names = NotCounted(("bot", "A+b (x)"), ("/robots.txt", "/metrics"))
    apart = (
        r"(HeaderRegexp(`User-Agent`, `(?i)A\+b\ \(x\)|bot`)) || "
        "((Path(`/metrics`) || Path(`/robots.txt`)) && (Method(`GET`) || Method(`HEAD`)))"
    )
    routers = document([EXAM], WAKER, names)["http"]["routers"]
    assert set(routers) == set(_http(EXAM)["routers"])
    assert routers["env_exam"] == _http(EXAM)["routers"]["env_exam"]
    assert routers["env_exam-health"]["rule"] == (
        "Host(`exam.extranet.localhost`) && "
        f"((Path(`/healthz`) && (Method(`GET`) || Method(`HEAD`))) || {apart})"
    )
    # Also of one whose probes are visits.
    visited = document([Route("env_1", "a.localhost", "/")], WAKER, names)["http"]["routers"]
    assert visited["env_1-health"]["rule"] == f"Host(`a.localhost`) && ({apart})"


@pytest.mark.parametrize(
    "names",
    [NotCounted(("a`) || Host(`b",)), NotCounted((), ("/a`b",)), NotCounted((), ("a",))],
    ids=["agent", "path with a mark", "path without a slash"],
)
def test_what_is_not_counted_cannot_change_the_meaning_of_a_rule(names: NotCounted) -> None:
    with pytest.raises(Invalid) as refused:
        document([EXAM], WAKER, names)
    assert (refused.value.code, refused.value.path) == ("invalid-route", "not_counted")


@pytest.mark.parametrize("path", ["/", "/?full=1", "/a`b", "/a b", "/中文"])
def test_a_probe_that_looks_like_a_visit_or_fits_no_rule_counts_as_a_visit(path: str) -> None:
    route = Route("env_exam", "exam.localhost", path)
    assert "env_exam-health" not in _http(route)["routers"]
    assert probe_path(path) is None


def test_the_query_of_a_health_path_is_left_out() -> None:
    assert probe_path("/healthz?deep=1") == "/healthz"


@pytest.mark.parametrize(
    ("environment_id", "host", "servers", "path"),
    [
        ("env`x", "a.localhost", (), "environment_id"),
        ("env-health", "a.localhost", (), "environment_id"),
        ("", "a.localhost", (), "environment_id"),
        ("env_1", "a.localhost`) || Host(`b.localhost", (), "host"),
        ("env_1", "UPPER.localhost", (), "host"),
        ("env_1", "a..localhost", (), "host"),
        ("env_1", "a" * 254, (), "host"),
        ("env_1", "a.localhost", (("127.0.0.1", 0),), "servers"),
        ("env_1", "a.localhost", (("127.0.0.1/x", 80),), "servers"),
    ],
)
def test_what_would_change_the_meaning_of_a_rule_is_no_route(
    environment_id: str, host: str, servers: tuple[tuple[str, int], ...], path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        Route(environment_id, host, "/healthz", servers)
    assert (refused.value.code, refused.value.path) == ("invalid-route", path)


def test_an_ipv6_server_is_put_in_brackets() -> None:
    route = Route("env_1", "a.localhost", "/healthz", (("fd00::1", 80),))
    servers = _http(route)["services"]["env_1"]["loadBalancer"]["servers"]
    assert servers[0]["url"] == "http://[fd00::1]:80"


@pytest.mark.parametrize("wakers", [(), ("https://127.0.0.1:1",), ("http://127.0.0.1",), ("",)])
def test_a_gateway_without_a_waker_is_refused(wakers: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match=r"waker|http://"):
        document([EXAM], wakers)


def test_two_routes_of_one_host_are_refused() -> None:
    other = Route("env_tax", EXAM.host, "/healthz")
    with pytest.raises(Invalid, match="has a route already"):
        document([EXAM, other], WAKER)


@pytest.mark.parametrize(
    "garbage",
    [{}, {"http": {}}, {"http": {"routers": {}}}, {"http": None}, {"tcp": {}},
     {"http": {"routers": {"applied": {"rule": "Path(`/applied/0`)"}}}}],
)  # fmt: skip
def test_only_what_routes_made_names_itself(garbage: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        digest(garbage)
    assert refused.value.code == "invalid-document"


def test_a_document_that_was_changed_afterwards_is_no_document() -> None:
    made = document([EXAM], WAKER)
    assert digest(made) == digest(copy.deepcopy(made))
    made["http"]["services"]["env_exam"]["loadBalancer"]["servers"].clear()
    with pytest.raises(Invalid):
        digest(made)
    with pytest.raises(Invalid):
        digest({**document([EXAM], WAKER), "tcp": {}})


routes_st = st.builds(
    lambda n, ports, path: Route(
        f"env_{n}", f"h{n}.localhost", path, tuple(("127.0.0.1", port) for port in ports)
    ),
    st.integers(0, 30),
    st.lists(st.integers(1, 65_535), max_size=4),
    st.sampled_from(["/", "/healthz", "/a/b"]),
)


@given(st.lists(routes_st, max_size=8, unique_by=lambda r: r.environment_id), st.randoms())
def test_the_digest_depends_on_what_is_routed_and_not_on_the_order(
    routes: list[Route], random: Any
) -> None:
    made = document(routes, WAKER)
    shuffled = list(routes)
    random.shuffle(shuffled)
    assert digest(document(shuffled, WAKER)) == digest(made)
    if routes:
        assert digest(document(routes[1:], WAKER)) != digest(made)
    names = set(made["http"].get("services", {}))
    for router in made["http"]["routers"].values():
        assert router["service"] in names | {"ping@internal"}
