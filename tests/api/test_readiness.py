"""Whether a peak will find what it needs, as the API tells it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.builders import a_window

if TYPE_CHECKING:
    from tests.api.city import City


def path(ids: dict[str, str]) -> str:
    return f"/api/v1/windows/{ids['window_id']}/readiness"


def unseen(city: City) -> dict[str, str]:
    """A further peak of ours, ten days ahead."""
    start = city.clock.now() + timedelta(days=10)
    made = a_window(
        start,
        start + timedelta(hours=1),
        id="win_unseen",
        environment_id=city.ours["environment_id"],
    )
    with city.database.write() as tx:
        city.services.windows.add(tx, made)
    return {"window_id": made.id}


def test_nothing_was_seen_before_somebody_looks_and_then_it_is_kept(city: City) -> None:
    client, ids = city.client("officer"), unseen(city)
    first = client.get(path(ids)).json()
    assert (first["word"], first["items"]) == (None, [])
    assert first["next_at"] == f"{city.clock.now() + timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}"
    answer = client.post(path(ids))
    assert answer.status_code == 201, answer.text
    seen = answer.json()
    assert [one["kind"] for one in seen["checks"]] == [
        *("capacity", "health", "images", "lead", "budget")
    ]
    # No driver runs here: what the pool has is not known.
    capacity = next(one for one in seen["checks"] if one["kind"] == "capacity")
    assert capacity["word"] == "not-known"
    assert "没有应答" in capacity["zh"]
    assert (seen["moment"], seen["actor"]) == ("asked", "usr_officer")
    found = client.get(path(ids)).json()
    assert found["items"] == [seen]
    assert found["word"] == seen["word"]
    with city.database.read() as tx:
        event = city.services.audit.list(tx, limit=1)[0][1]
    assert (event.action, event.object_id) == ("window.check-readiness", "win_unseen")


def test_a_window_that_has_begun_is_not_looked_at(city: City) -> None:
    city.clock.advance(timedelta(days=1, hours=1))
    answer = city.client("officer").post(path(city.ours))
    assert (answer.status_code, answer.json()["code"]) == (409, "window-begun")


def test_nobody_looks_at_a_peak_of_others(city: City) -> None:
    client = city.client("officer")
    assert client.get(path(city.theirs)).status_code == 404
    assert client.post(path(city.theirs)).status_code == 404
    assert city.client("everybody").get(path(city.theirs)).status_code == 200


def test_one_who_only_reads_changes_nothing(city: City) -> None:
    answer = city.client("auditor").post(path(city.ours))
    assert answer.status_code == 403
