from __future__ import annotations

import pytest

from cloudmgr.api.etag import Answer, etag, expect, seen
from cloudmgr.api.routes.plane import HealthView
from cloudmgr.errors import Conflict

VIEW = HealthView(status="ok")


def test_an_etag_is_strong_and_names_all_that_shows() -> None:
    assert etag(3) == '"3"'
    assert etag(3, 1, "zh") == '"3-1-zh"'


@pytest.mark.parametrize("header", ['"3"', '"1", "3"', 'W/"3"', "*", ' "3" '])
def test_whoever_has_it_gets_nothing_again(header: str) -> None:
    answer = seen(VIEW, '"3"', header)
    assert (answer.status_code, answer.body, answer.headers["ETag"]) == (304, b"", '"3"')


@pytest.mark.parametrize("header", [None, '"4"', "3", "", '"33"'])
def test_whoever_has_another_gets_it(header: str | None) -> None:
    answer = seen(VIEW, '"3"', header)
    assert (answer.status_code, answer.body) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize("header", ['"3"', '"1","3"', "*"])
def test_whoever_saw_it_may_change_it(header: str) -> None:
    expect(header, '"3"')


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "precondition-required"),
        ('"2"', "stale-version"),
        ('W/"3"', "stale-version"),
        ("3", "stale-version"),
        ("", "stale-version"),
    ],
)
def test_whoever_did_not_may_not(header: str | None, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        expect(header, '"3"')
    assert refused.value.code == code


def test_an_answer_without_a_body_has_no_content_type() -> None:
    assert "content-type" not in Answer(204).response().headers
