from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cloudmgr.errors import Invalid, Permanent
from cloudmgr.policy.facts import flatten
from cloudmgr.policy.rules import Bound, Expression, Scope

WEB: dict[str, object] = {
    "environment": {"components": [{"name": "web", "cpu_millis": 500, "max_replicas": 4}]}
}


def holds(text: str, facts: dict[str, object] | None = None, scope: Scope = Scope.REQUEST) -> bool:
    return Expression(text, scope).holds(Bound(flatten(facts or {}), scope))


def refusal(text: str, scope: Scope = Scope.REQUEST) -> str:
    with pytest.raises(Invalid) as caught:
        Expression(text, scope)
    assert caught.value.code == "bad-expression"
    return caught.value.message


def test_a_condition_is_true_or_false_of_facts() -> None:
    facts = {"system": {"zone": "intranet"}, "actor": {"roles": ["operator"]}, **WEB}
    assert holds("system.zone == 'intranet' && 'operator' in actor.roles", facts)
    assert holds("environment.components.exists(c, c.cpu_millis * c.max_replicas == 2000)", facts)
    assert not holds("system.protection_level > 0", facts)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("system.zon == 'intranet'", "'system.zon' (line 1, column 7 of the"),
        ("system.zon == 'intranet'", "did you mean system.zone?"),
        ("true &&\n system.protection_level > 'a'", "no matching overload"),
        ("true &&\n system.protection_level > 'a'", "(line 2, column 26 of the condition)"),
        ("system.protection_level >= 3.0", "no matching overload"),
        ("system.zone ==", "Syntax error"),
        ("size(windows)", "it must say true or false, but it gives INT"),
        (
            "environment.components.all(c, c.cpu_milis < 5)",
            "a field 'cpu_milis': did you mean cpu_m",
        ),
        ("environment.components.all(c, c . cpu < 5)", "nothing has a field 'cpu'"),
        ("open('/etc/passwd') == ''", "undeclared reference to 'open'"),
        ("(" * 400 + "true" + ")" * 400, "recursion limit"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_when_it_is_read(text: str, sentence: str) -> None:
    assert sentence in refusal(text)


def test_a_rule_cannot_speak_of_what_is_not_known_when_it_is_asked() -> None:
    assert "undeclared reference" in refusal("pool.zone == 'intranet'")
    assert "undeclared reference" in refusal("request.kind == 'new'", Scope.SCALING)
    assert holds("pool.zone == 'intranet'", {"pool": {"zone": "intranet"}}, Scope.PLACEMENT)


def test_words_in_quotes_and_comments_are_not_taken_for_fields() -> None:
    assert not holds("system.code == 'a.cpu_milis' // and a.remark\n || system.code == \"b.c\"")


@pytest.mark.parametrize(
    "text",
    [
        "environment.components[7].cpu_millis > 1",
        "1 / system.protection_level > 0",
        "environment.components.exists(c, c.hours > 1)",
        "environment.components.exists(c, c.name > 1)",
        "9223372036854775807 + system.protection_level + size(environment.components) > 0",
        "system.code.matches('(')",
    ],
)
def test_a_condition_that_fails_is_never_taken_for_true(text: str) -> None:
    with pytest.raises(Permanent) as caught:
        holds(text, WEB)
    assert caught.value.code == "rule-failed"


def test_a_condition_that_would_never_end_is_stopped() -> None:
    ten = "[1,2,3,4,5,6,7,8,9,10]"
    text = "true"
    for name in "abcdefg":
        text = f"{ten}.all({name}, {text})"
    with pytest.raises(Permanent, match="budget"):
        holds(text)


def test_the_largest_request_stays_within_the_budget() -> None:
    facts: dict[str, object] = {
        "environment": {"components": [{"name": f"c{i}"} for i in range(64)]},
        "windows": [{"hours": 1}] * 128,
    }
    assert holds(
        "windows.all(w, environment.components.all(c, c.max_replicas == 0 && w.hours == 1))", facts
    )


def test_one_condition_serves_many_threads() -> None:
    expression = Expression("environment.components.all(c, c.cpu_millis == 500)", Scope.REQUEST)
    facts = flatten(WEB)

    def ask(_: int) -> bool:
        bound = Bound(facts, Scope.REQUEST)
        return all(expression.holds(bound) for _ in range(200))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(16)))
