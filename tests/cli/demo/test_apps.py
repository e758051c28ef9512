"""The departments' applications: forms, JSON, data that stays, limits, a graceful end."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from cloudmgr.cli.demo.apps.catalogue import SERVICES
from cloudmgr.cli.demo.apps.records import Records
from cloudmgr.cli.demo.apps.service import Application, Limits
from cloudmgr.cli.demo.city import PLANS
from cloudmgr.cli.demo.load.schedule import Act, Arrival
from cloudmgr.cli.demo.load.visits import visit

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = Limits(concurrency=2, work_seconds=0, queue=3)


@asynccontextmanager
async def client(
    code: str, directory: Path, limits: Limits = QUICK
) -> AsyncIterator[httpx.AsyncClient]:
    service = SERVICES[code]
    records = Records(directory, service)
    application = Application(service, records, limits, {"pid": 1})
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        yield http
    records.close()


def answers(code: str) -> dict[str, str]:
    return {f.name: f.choices[0][0] if f.choices else f.example for f in SERVICES[code].fields}


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.code)
def test_what_is_filed_over_the_form_or_the_api_can_be_looked_up(
    tmp_path: Path, plan: object
) -> None:
    code: str = plan.code  # type: ignore[attr-defined]

    async def file() -> None:
        async with client(code, tmp_path) as http:
            page = await http.get("/")
            assert SERVICES[code].name.zh in page.text
            form = await http.post("/", data=answers(code))
            assert form.status_code == 303
            seen = await http.get(form.headers["location"])
            assert seen.status_code == 200
            filed = await http.post("/api/records", json=answers(code))
            assert filed.status_code == 201
            reference = filed.json()["reference"]
            found = await http.get(f"/api/records/{reference}")
            assert found.json() == {**found.json(), **answers(code), "reference": reference}
            assert (await http.get("/api/status")).json()["records"] == 2

    asyncio.run(file())


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.code)
def test_what_the_visitors_of_the_demo_send_is_accepted(tmp_path: Path, plan: object) -> None:
    code: str = plan.code  # type: ignore[attr-defined]

    async def send() -> None:
        async with client(code, tmp_path) as http:
            reference = ""
            for number, act in enumerate(Act, start=1):
                sent = visit(Arrival(0, code, "http://app", "x", act), number, reference)
                answer = await http.request(
                    sent.method, sent.path, headers=dict(sent.headers), content=sent.body
                )
                assert answer.status_code in {200, 201, 303}, (act, answer.text)
                reference = answer.headers.get("location", reference).rsplit("/", 1)[-1]

    asyncio.run(send())


@pytest.mark.parametrize("act", [Act.PAGE, Act.STATUS, Act.LOOK_UP])
def test_who_files_nothing_may_visit_a_system_that_the_demo_does_not_have(act: Act) -> None:
    sent = visit(Arrival(0, "of-somebody", "http://app", "x", act), 1)
    assert (sent.method, sent.body) == ("GET", "")


def test_bad_input_is_refused_with_its_field_in_two_languages_and_nothing_is_kept(
    tmp_path: Path,
) -> None:
    async def file() -> None:
        async with client("gaokao", tmp_path) as http:
            wrong = {**answers("gaokao"), "ticket": "<script>"}
            page = await http.post("/", data=wrong, headers={"Accept-Language": "en-GB"})
            assert page.status_code == 422
            assert "Candidate number" in page.text
            assert "<script>" not in page.text
            assert "请更正" in (await http.post("/", data=wrong)).text
            faults = (await http.post("/api/records", json=wrong)).json()["problems"]
            assert set(faults) == {"ticket"}
            assert (await http.post("/api/records", content="[1]")).status_code == 400
            assert (await http.post("/api/records", content="{")).status_code == 400
            assert (await http.post("/", content=b"x" * 70_000)).status_code == 413
            assert (await http.get("/records/GK99999999")).status_code == 404
            assert (await http.get("/nowhere")).status_code == 404
            assert (await http.delete("/")).status_code == 405
            assert (await http.get("/api/status")).json()["records"] == 0

    asyncio.run(file())


def test_the_last_place_is_booked_once(tmp_path: Path) -> None:
    async def book() -> None:
        async with client("official-cars", tmp_path) as http:
            wanted = answers("official-cars")
            codes = [
                (await http.post("/api/records", json=wanted)).status_code
                for _ in range(SERVICES["official-cars"].places + 1)
            ]
            assert codes == [201] * SERVICES["official-cars"].places + [409]
            free = (await http.get("/api/status")).json()["free"]
            assert free[wanted["slot"]] == 0

    asyncio.run(book())


def test_a_replica_works_on_so_many_at_once_lets_some_wait_and_turns_the_rest_away(
    tmp_path: Path,
) -> None:
    async def crowd() -> None:
        async with client("gaokao", tmp_path, Limits(2, 0.05, 3)) as http:
            codes = await asyncio.gather(*(http.get("/") for _ in range(9)))
            assert sorted(answer.status_code for answer in codes) == [200] * 5 + [503] * 4
            assert (await http.get("/healthz")).status_code == 200

    asyncio.run(crowd())


def test_a_request_in_flight_is_answered_after_sigterm_and_the_process_ends_by_itself(
    gaokao: tuple[subprocess.Popen[bytes], str], tmp_path: Path
) -> None:
    process, address = gaokao
    assert httpx.get(f"{address}/api/about").json()["pid"] == process.pid

    async def leave() -> httpx.Response:
        async with httpx.AsyncClient(timeout=20) as http:
            asked = asyncio.create_task(http.post(f"{address}/api/records", json=answers("gaokao")))
            await asyncio.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            return await asked

    answer = asyncio.run(leave())
    assert answer.status_code == 201
    assert process.wait(timeout=20) == 0
    kept = Records(tmp_path, SERVICES["gaokao"])
    assert kept.find(answer.json()["reference"])
    kept.close()
