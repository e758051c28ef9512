"""The API's document (OpenAPI 3.1): what FastAPI derives, with every error answer and example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloudmgr.api.idempotency import REPLAYED
from cloudmgr.api.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, Fault, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]

_METHODS = frozenset({"get", "put", "post", "patch", "delete"})
_REF = "#/components/schemas/"
_DESCRIPTIONS = {
    400: "The body is not JSON.",
    401: "No token, or one that is not good.",
    403: "The caller may not do this.",
    404: "There is no such thing, or not for the caller.",
    409: "It is not in the state for this, or the Idempotency-Key is in use.",
    412: "It was changed since the version that If-Match names.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not JSON by its content type.",
    422: "Something in the request is wrong; `errors` says what and where.",
    428: "If-Match is missing.",
    500: "Something nobody foresaw; the log knows it by `request_id`.",
    503: "Not now: try again after `Retry-After`.",
}


def complete(document: Json) -> Json:
    """Fill in, in place, what is the same for every operation, so that no route need say it."""
    schemas: Json = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (Fault, Problem):
        schemas[model.__name__] = model.model_json_schema(
            ref_template=_REF + "{model}", mode="serialization"
        )
        schemas[model.__name__].pop("$defs", None)
    document["components"]["responses"] = {
        f"Problem{status}": _problem_response(status) for status in _DESCRIPTIONS
    }
    for method, operation in _operations(document):
        _plain_parameters(operation)
        for status in sorted(_failures(method, operation)):
            operation["responses"][str(status)] = {
                "$ref": f"#/components/responses/Problem{status}"
            }
        _headers(operation)
    _restore_nulls(schemas)
    _lend_examples(schemas)
    _page_examples(schemas)
    return document


def _operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if method in _METHODS:
                yield method, operation


def _failures(method: str, operation: Json) -> set[int]:
    """Which errors an operation can answer, judged by what it takes."""
    found = {422, 500, 503}
    if operation.get("security"):
        found |= {401, 403, 404, 409}
    if method != "get":
        found.add(413)
    if "requestBody" in operation:
        found |= {400, 415}
    if "If-Match" in _header_names(operation):
        found |= {412, 428}
    return found


def _header_names(operation: Json) -> set[str]:
    return {p["name"] for p in operation.get("parameters", ()) if p["in"] == "header"}


def _plain_parameters(operation: Json) -> None:
    """A header or query parameter can be left out; it cannot be null."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
        if len(choices) == 1:
            del schema["anyOf"]
            schema.update(choices[0])


def _headers(operation: Json) -> None:
    """Document what the frame, the ETags and the idempotency add to good answers."""
    taken = _header_names(operation)
    if "If-None-Match" in taken:
        operation["responses"]["304"] = {"description": "It is still what you have."}
    for status, response in operation["responses"].items():
        if not status.startswith(("2", "3")):
            continue
        headers = response.setdefault("headers", {})
        headers["X-Request-Id"] = _header("Names this request in the log and the audit trail.")
        if taken & {"If-None-Match", "If-Match"}:
            headers["ETag"] = _header("Names this version.")
        if "Idempotency-Key" in taken:
            headers[REPLAYED] = _header("`true` if this is the answer to an earlier request.")


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}


def _problem_response(status: int) -> Json:
    response: Json = {
        "description": _DESCRIPTIONS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF + "Problem"}}},
    }
    if status == 401:
        response["headers"] = {"WWW-Authenticate": _header("How to authenticate.")}
    if status == 503:
        response["headers"] = {
            "Retry-After": {
                "description": "After how many seconds to try again.",
                "schema": {"type": "integer", "examples": [RETRY_AFTER_SECONDS]},
            }
        }
    return response


def _restore_nulls(schemas: Json) -> None:
    """FastAPI drops nulls from the whole document, examples included; put them back there."""
    for schema in schemas.values():
        for example in schema.get("examples", ()):
            _fill(schemas, schema, example)


def _fill(schemas: Json, schema: Json, example: Any) -> None:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_REF)]
    for part in schema.get("anyOf", ()):
        _fill(schemas, part, example)
    if isinstance(example, list):
        for one in example:
            _fill(schemas, schema.get("items", {}), one)
    if isinstance(example, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in example:
                _fill(schemas, inner, example[name])
            elif name in schema.get("required", ()):
                example[name] = None


def _lend_examples(schemas: Json) -> None:
    """What stands inside an example is an example of what stands there."""
    waiting = list(schemas.values())
    while waiting:
        schema = waiting.pop()
        for example in schema.get("examples", ())[:1]:
            for name, inner in schema.get("properties", {}).items():
                for reference, value in _parts(inner, example.get(name)):
                    part = schemas[reference]
                    if "examples" not in part and "enum" not in part:
                        part["examples"] = [value]
                        waiting.append(part)


def _parts(schema: Json, value: Any) -> Iterator[tuple[str, Any]]:
    """The named schemas at ``schema``, each with what ``value`` holds for it."""
    if value is None:
        return
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_REF), value
    for part in schema.get("anyOf", ()):
        yield from _parts(part, value)
    if isinstance(value, list):
        for one in value:
            yield from _parts(schema.get("items", {}), one)


def _page_examples(schemas: Json) -> None:
    """A page's example is the example of what is on it."""
    for schema in schemas.values():
        properties = schema.get("properties", {})
        if set(properties) != {"items", "next_cursor"}:
            continue
        item = schemas[properties["items"]["items"]["$ref"].removeprefix(_REF)]
        schema["examples"] = [{"items": item.get("examples", [])[:1], "next_cursor": None}]
