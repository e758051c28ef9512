from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.api.idempotency import REPLAYED
from cloudmgr.api.store import CLAIM_LIFE, KEPT, Claim, IdempotencyStore, KeptAnswer
from cloudmgr.errors import Conflict, Invalid

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from cloudmgr.db.engine import Database
    from tests.api.city import City
    from tests.fakes import ManualClock

URL = "/api/v1/billing-accounts"
BODY = {"name_zh": "区财政", "name_en": "District treasury"}
store = IdempotencyStore()


def post(client: TestClient, key: str | None = "k1", body: dict[str, str] | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(URL, json=body or BODY, headers=headers)


def count(city: City) -> int:
    with city.database.read() as tx:
        return len(city.services.billing_accounts.list(tx))


def test_what_is_sent_twice_is_done_once_and_answered_alike(stored_city: City) -> None:
    client, before = stored_city.client("finance"), count(stored_city)
    first, second = post(client), post(client)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["Location"] == second.headers["Location"]
    assert first.headers["Content-Type"] == second.headers["Content-Type"]
    assert REPLAYED not in first.headers
    assert second.headers[REPLAYED] == "true"
    assert count(stored_city) == before + 1


def test_without_a_key_each_is_done(seen_city: City) -> None:
    client, before = seen_city.client("finance"), count(seen_city)
    assert post(client, None).json()["id"] != post(client, None).json()["id"]
    assert count(seen_city) == before + 2


def test_a_key_with_another_body_is_refused_and_nothing_is_done(seen_city: City) -> None:
    client = seen_city.client("finance")
    post(client, "k3")
    before = count(seen_city)
    answer = post(client, "k3", body={**BODY, "name_en": "Another"})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert count(seen_city) == before


def test_a_key_is_ones_own(seen_city: City) -> None:
    one, other = post(seen_city.client("finance"), "k4"), post(seen_city.client("root"), "k4")
    assert one.json()["id"] != other.json()["id"]


def test_a_key_is_forgotten_after_a_day(city: City) -> None:
    client = city.client("finance")
    first = post(client)
    city.clock.advance(KEPT - timedelta(seconds=1))
    assert post(client).json() == first.json()
    city.clock.advance(timedelta(seconds=1))
    assert post(client).json() != first.json()


def test_a_key_stays_free_when_the_work_was_refused(seen_city: City) -> None:
    client = seen_city.client("root")
    body = {
        "code": "roads",
        "name_zh": "路",
        "name_en": "Roads",
        "billing_account_id": "acc_none",
    }
    headers = {"Idempotency-Key": "k5"}
    refused = client.post("/api/v1/departments", json=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "no-such-billing-account")
    body["billing_account_id"] = seen_city.ours["billing_account_id"]
    assert client.post("/api/v1/departments", json=body, headers=headers).status_code == 201


def test_a_repeated_change_is_not_refused_for_what_the_first_one_changed(city: City) -> None:
    client = city.client("root")
    url = f"/api/v1/departments/{city.ours['department_id']}"
    headers = {"Idempotency-Key": "k1", "If-Match": client.get(url).headers["ETag"]}
    body = {"name_zh": "新", "name_en": "New", "billing_account_id": "acc_exam"}
    first = client.post(f"{url}/versions", json=body, headers=headers)
    second = client.post(f"{url}/versions", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize("key", ["", "a b", "ключ".encode(), "x" * 256])
def test_a_key_that_is_none_is_refused(seen_city: City, key: Any) -> None:
    answer = seen_city.client("finance").post(URL, json=BODY, headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "Idempotency-Key"


def test_of_a_crowd_with_one_key_one_does_it(stored_city: City) -> None:
    before = count(stored_city)

    def one(_: int) -> Any:
        return post(stored_city.client("finance"))

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(one, range(8)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    others = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert len(made) == 1
    assert others <= {"idempotency-in-progress"}
    assert count(stored_city) == before + 1


def claim(attempt: str, digest: str = "d") -> Claim:
    return Claim("usr_1", "k", digest, attempt)


def test_while_the_first_is_at_it_the_second_is_told_so(
    database: Database, clock: ManualClock
) -> None:
    with database.write() as tx:
        assert store.claim(tx, claim("a"), clock.now()) is None
    with database.write() as tx:
        with pytest.raises(Conflict) as refused:
            store.claim(tx, claim("b"), clock.now())
        assert refused.value.code == "idempotency-in-progress"
        with pytest.raises(Invalid):
            store.claim(tx, claim("b", "other"), clock.now())


def test_a_claim_whose_owner_died_is_taken_over_and_the_owner_comes_too_late(
    database: Database, clock: ManualClock
) -> None:
    with database.write() as tx:
        store.claim(tx, claim("a"), clock.now())
    clock.advance(CLAIM_LIFE)
    with database.write() as tx:
        assert store.claim(tx, claim("b"), clock.now()) is None
    with pytest.raises(Conflict), database.write() as tx:
        store.settle(tx, claim("a"), KeptAnswer(201, {}, "from a"))
    with database.write() as tx:
        store.release(tx, claim("a"))  # it may not take b's claim away either
        store.settle(tx, claim("b"), KeptAnswer(201, {"ETag": '"1"'}, "from b"))
    with database.write() as tx:
        kept = store.claim(tx, claim("c"), clock.now())
    assert kept == KeptAnswer(201, {"ETag": '"1"'}, "from b")


def test_only_what_is_over_a_day_old_is_purged(database: Database, clock: ManualClock) -> None:
    with database.write() as tx:
        store.claim(tx, claim("a"), clock.now())
        clock.advance(KEPT)
        store.claim(tx, Claim("usr_2", "k", "d", "b"), clock.now())
        assert store.purge(tx, clock.now()) == 0
        assert store.purge(tx, clock.now() + timedelta(microseconds=1)) == 1
