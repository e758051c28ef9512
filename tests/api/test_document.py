"""The API's document: complete, with examples that are true, and what schemathesis makes of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from cloudmgr.api.values import Entry
from cloudmgr.identity.access import GRANTS
from cloudmgr.identity.user import Role
from tests.fakes import InstantPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.city import City

# One alone would take minutes; several workers share them.
PARTS = 6
OFFICERS_ALONE = set(GRANTS[Role.DEPARTMENT_OFFICER]) - {
    action
    for role, grants in GRANTS.items()
    if role is not Role.DEPARTMENT_OFFICER
    for action in grants
}


def routes(city: City) -> Iterator[Any]:
    for context in iter_route_contexts(city.app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def test_the_document_is_for_everybody_and_says_how_to_authenticate(seen_city: City) -> None:
    document = seen_city.client().get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["securitySchemes"]) == {"token", "session"}


def test_every_schema_has_an_example(seen_city: City) -> None:
    schemas = seen_city.app.openapi()["components"]["schemas"]
    bare = [
        name
        for name, schema in schemas.items()
        if not schema.get("examples") and "enum" not in schema
    ]
    assert bare == []


def test_every_example_is_true(seen_city: City) -> None:
    schemas = seen_city.app.openapi()["components"]["schemas"]
    checked = set()
    for route in routes(seen_city):
        models = [route.response_model, route.body_field and route.body_field.field_info.annotation]
        for model in filter(None, models):
            adapter: TypeAdapter[Any] = TypeAdapter(model)
            # A page of X is called Page_X_ there.
            name = model.__name__.replace("[", "_").replace("]", "_")
            for example in schemas[name]["examples"]:
                adapter.validate_python(example)
                checked.add(name)
    assert len(checked) > 10


def test_every_body_refuses_unknown_fields_and_text_that_cannot_be_stored(seen_city: City) -> None:
    for route in routes(seen_city):
        if route.body_field:
            assert issubclass(route.body_field.field_info.annotation, Entry), route.path


def test_every_operation_has_a_name_a_tag_a_summary_and_its_errors(seen_city: City) -> None:
    tags = {tag["name"] for tag in seen_city.app.openapi()["tags"]}
    for place, operation in operations(seen_city.app.openapi()):
        assert operation["operationId"].isidentifier(), place
        assert operation["summary"], place
        assert operation["description"], place
        assert set(operation["tags"]) <= tags, place
        assert {"422", "500", "503"} <= set(operation["responses"]), place
        if operation.get("security"):
            assert {"401", "403", "404"} <= set(operation["responses"]), place


def test_every_error_is_a_problem(seen_city: City) -> None:
    document = seen_city.app.openapi()
    for name, response in document["components"]["responses"].items():
        assert set(response["content"]) == {"application/problem+json"}, name
    assert "HTTPValidationError" not in document["components"]["schemas"]


def asked_of(city: City, login: str, part: int) -> list[str]:
    """The ids of the operations that ``login`` is to be asked; of one in so many parts."""
    spoken = {one["operationId"] for _, one in operations(city.app.openapi())}
    officers = spoken & {o.id for o in city.operations() if o.action in OFFICERS_ALONE}
    if login == "officer":
        return sorted(officers)
    return sorted(spoken - officers)[part::PARTS]


@pytest.mark.parametrize(
    ("login", "part"),
    [
        *(("everybody", part) for part in range(PARTS)),
        # Whoever has every other role may not ask for anything in a department's name.
        ("officer", 0),
    ],
)
def test_whatever_is_sent_the_answer_is_a_documented_one(city: City, login: str, part: int) -> None:
    """Examples, every boundary of every schema, and random requests, always the same ones.

    Not asked for: that whatever fits a schema is accepted (it may name what is not there, lack
    an If-Match, or break a rule that no schema can state), and what ``test_every_route.py``
    proves already, that nothing answers without a token. Each operation is asked by one of the two
    alone, since the other would but read over and over that it may not.
    """
    chosen = asked_of(city, login, part)
    city.services.drivers[city.ours["pool_id"]] = InstantPool()  # type: ignore[index]
    config = SchemathesisConfig.from_dict(
        {
            "seed": 20260601,
            "headers": {"Authorization": f"Bearer {city.secrets[login]}"},
            # Things that are there, else every answer would be that there are none.
            "parameters": {
                "header.If-Match": "*",
                **{f"path.{name}": value for name, value in city.ours.items()},
            },
            "generation": {"deterministic": True, "max-examples": 4, "no-shrink": True},
            "phases": {
                "stateful": {"enabled": False},
                # The router refuses all methods that a path has not, in one place.
                "coverage": {"unexpected-methods": ["delete", "trace"]},
            },
            "checks": {
                "positive_data_acceptance": {"enabled": False},
                "ignored_auth": {"enabled": False},
            },
            "continue-on-failure": True,
            "workers": 1,
        }
    )
    whole = schemathesis.openapi.from_asgi("/api/v1/openapi.json", city.app, config=config)
    api = whole.include(operation_id=chosen)
    asked, broken = Counter[str](), []
    # Its pytest plugin does not know this pytest's node ids, so its engine is run as it is.
    for event in engine.from_schema(api).execute():
        if isinstance(event, events.ScenarioFinished):
            asked[event.phase.name] += len(event.recorder.interactions)
            broken += [
                f"{event.label}: {check.name}: {check.failure_info.failure}\n"
                f"{check.failure_info.code_sample}"
                for checks in event.recorder.checks.values()
                for check in checks
                if check.failure_info is not None
            ]
        elif isinstance(event, events.NonFatalError | events.FatalError):
            broken.append(str(event))
    assert broken == []
    assert len(chosen) > 3
    assert asked["COVERAGE"] > 10 * len(chosen)
    assert asked["FUZZING"] > 2 * len(chosen)
