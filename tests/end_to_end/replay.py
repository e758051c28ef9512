"""An evening replayed on a real control plane, gateway and local pool.

Twelve systems are there at once: one whose crowd is announced, the same with the same crowd that
nobody announces, and ten small ones that sleep. Requests come when the traces say, whatever becomes
of those before.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudmgr.cli.demo import evidence
from cloudmgr.cli.demo.city import Plan
from cloudmgr.cli.demo.figures import Span
from cloudmgr.cli.demo.founding import Hosted
from cloudmgr.cli.demo.load.schedule import Act, Arrival
from cloudmgr.cli.demo.timeline import Timeline
from cloudmgr.cli.demo.visitors import Visitors
from cloudmgr.cli.demo.watch import Watch
from cloudmgr.cli.remote import Remote
from cloudmgr.clock import SystemClock
from cloudmgr.policy.default import packaged_policies
from tests.end_to_end import evening
from tests.end_to_end.seen import Evening, Seen, runs
from tests.end_to_end.town import Town
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.plane import Api, Place

ANNOUNCED, REACTING, SMALL = "announced", "reacting", "small"
_APP = Path(__file__).parents[1] / "apps" / "counters.py"
# The last two hours before the evening are those of set-up, at the machine's own pace.
_SET_UP = timedelta(hours=2)
# Until the load has come up, in seconds of the machine.
_LOAD_SECONDS = 4.0


def set_up(place: Place) -> Stage:
    """Twelve systems that are Ready, and the window that is promised to one of them."""
    stage = Stage(place)
    startup = evening.STARTUP.total_seconds() / evening.speed(stage.startup)
    office = _office(evening.COUNTERS, evening.SERVICE_SECONDS, startup)
    stage.host(ANNOUNCED, 4, max_replicas=evening.CEILING, **office)
    stage.host(REACTING, 4, max_replicas=evening.CEILING, **office)
    for number in range(evening.SMALL):
        stage.host(f"{SMALL}-{number}", 1, max_replicas=2, **_office(8, 0.1, 0.2))
    stage.await_ready()
    stage.announce(ANNOUNCED)
    return stage


def _office(counters: int, service: float, startup: float) -> dict[str, Any]:
    """What such an application is asked for with; times are seconds."""
    return {
        "command": [sys.executable, "-I", "-S", str(_APP)],
        "health_path": "/health",
        "startup_seconds": 60,
        "storage_gib": 0,
        "variables": {
            "COUNTERS": str(counters),
            "SERVICE_SECONDS": str(service),
            "START_SECONDS": str(startup),
        },
    }


class Stage:
    """A control plane at :data:`evening.BEGINS` less two hours, and systems of one department.

    A vital one, of criticality 4, is of a class that is ready ahead of a window and never sleeps;
    one of criticality 1 sleeps most of the time.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._hosted: dict[str, Hosted] = {}
        self._tell_time(Timeline(evening.BEGINS - _SET_UP, SystemClock().now(), 1.0))
        self._tell_lead()
        place.init()
        clock = SystemClock()
        began = clock.monotonic()
        self._plane = place.plane().start()
        self.startup = clock.monotonic() - began
        """Seconds that the control plane took to start on this machine, now."""
        self._town = Town(place, self._plane)

    @property
    def operator(self) -> Api:
        return self._plane.api(self._town.tokens["operator"])

    def host(self, code: str, criticality: int, **component: Any) -> str:
        """Ask for an environment of a system of its own, and have it signed; its id."""
        officer = self._plane.api(self._town.tokens["officer"])
        system = officer.post(
            "/systems",
            {
                "department_id": self._town.department,
                "code": code,
                "name_zh": code,
                "name_en": code,
                "zone": "extranet",
                "protection_level": 2,
                "criticality": criticality,
                "purpose": "重放",
            },
        )
        diary = self._diary(code)
        diary.mkdir(parents=True)
        variables = {**component.pop("variables", {}), "DIARY_DIR": str(diary)}
        asked = self._town.request("prod", variables=variables, **component)
        signed = self._town.signed(self._plane, {**asked, "system_id": system["id"]})
        assert signed["state"] == "fulfilled", signed
        seen = officer.get(f"/environments/{signed['environment_id']}")
        plan = Plan(
            code, self._town.code, code, code, "extranet", 2, criticality, "重放", trace=code
        )
        self._hosted[code] = Hosted(plan, system["id"], seen["id"], seen["host"])
        return str(seen["id"])

    def await_ready(self) -> None:
        """Dormant ones may be asleep again by then."""
        api = self.operator
        for hosted in self._hosted.values():
            path = f"/environments/{hosted.environment_id}"
            until(
                lambda path=path: api.get(path)["state"] in {"ready", "hibernated"},  # type: ignore[misc]
                seconds=90,
                what=f"{hosted.plan.code} Ready",
            )

    def announce(self, code: str) -> None:
        """The officer asks for the match's window."""
        window, hosted = evening.match(), self._hosted[code]
        signed = self._town.signed(
            self._plane,
            {
                "kind": "peak",
                "system_id": hosted.system_id,
                "environment_id": hosted.environment_id,
                "windows": [
                    {
                        "component": "web",
                        "starts_at": window.start.isoformat(),
                        "ends_at": window.end.isoformat(),
                        "replicas": evening.PROMISED,
                        "note": "半决赛",
                    }
                ],
                "reason": "半决赛",
            },
        )
        assert signed["state"] == "fulfilled", signed

    def hasten(self, speed: float) -> Timeline:
        """Lead to the evening, as soon as the control plane has been started again.

        Only then can its clock be made to run faster.
        """
        assert self._plane.stop() == 0
        before = 1.5 * self.startup + _LOAD_SECONDS
        timeline = Timeline.leading_to(evening.BEGINS, before, speed)
        self._tell_time(timeline)
        self._plane.start()
        return timeline

    @contextmanager
    def watching(self, timeline: Timeline) -> Iterator[Watch]:
        """What the control plane tells meanwhile."""
        address = f"http://127.0.0.1:{self._plane.port}"
        with closing(Remote(address, self._town.tokens["operator"])) as operator:
            watch = Watch(operator, self._hosted, timeline, lambda _at, _what: None)
            watch.start()
            try:
                yield watch
            finally:
                watch.stop()

    def play(self) -> Evening:
        """Let everybody come, and wait until the last has gone and the peak is given back."""
        timeline = self.hasten(evening.speed(self.startup))
        crowd = evening.crowd(timeline.speed)
        crowds = {ANNOUNCED: crowd, REACTING: crowd}
        crowds |= {f"{SMALL}-{n}": one for n, one in enumerate(evening.small_crowds())}
        clock = SystemClock()
        # Whoever were due while all this started would come at once.
        soonest = timeline.business(clock.now().timestamp() + _LOAD_SECONDS)
        planned = sorted(
            (
                self._arrival(code, timeline.machine(moment))
                for code, crowd in crowds.items()
                for moment in crowd.moments()
                if moment >= soonest
            ),
            key=lambda arrival: arrival.due,
        )
        span = Span(
            timeline.machine(max(soonest, evening.BEGINS)),
            timeline.machine(evening.ENDS),
            timeline.speed,
        )
        directory = self._place.state / "visitors"
        directory.mkdir()
        with self.watching(timeline) as watch:
            visitors = Visitors(planned, directory, "evening", self._place.state, users=500)
            try:
                until(
                    lambda: not visitors.running and clock.now().timestamp() >= span.end,
                    seconds=span.end - clock.now().timestamp() + 60,
                    what="the end of the evening",
                )
                until(
                    lambda: watch.samples(ANNOUNCED)[-1].ready < evening.PROMISED,
                    seconds=60,
                    what="fewer after the peak",
                )
            finally:
                visitors.stop()
        outcomes = visitors.outcomes()

        def seen(code: str) -> Seen:
            decisions = sorted(watch.decisions[code], key=lambda decision: str(decision["at"]))
            return Seen(
                code,
                span,
                sum(arrival.system == code for arrival in planned),
                [outcome for outcome in outcomes if outcome.system == code],
                watch.samples(code),
                decisions,
                evidence.changes(decisions, code, timeline),
                list(runs((self._diary(code) / "diary").read_text())),
            )

        window = evening.match()
        small = [seen(code) for code in crowds if code.startswith(SMALL)]
        return Evening(
            timeline.machine(window.start),
            timeline.machine(window.end),
            seen(ANNOUNCED),
            seen(REACTING),
            small,
        )

    def _arrival(self, code: str, due: float) -> Arrival:
        gateway = f"http://127.0.0.1:{self._place.gateway_ports['extranet']}"
        # A program asks: who sleeps holds it until there is an answer, and shows no waiting page.
        return Arrival(due, code, gateway, self._hosted[code].host, Act.STATUS)

    def _diary(self, code: str) -> Path:
        return self._place.state / "diaries" / code

    def _tell_time(self, timeline: Timeline) -> None:
        self._place.environment["CLOUDMGR_CLOCK"] = json.dumps(timeline.setting())

    def _tell_lead(self) -> None:
        policies = self._place.directory / "policies"
        shutil.copytree(packaged_policies(), policies)
        file = policies / "scaling.yaml"
        before, critical = file.read_text(encoding="utf-8").split("\n  critical:\n")
        minutes = f"lead_time_minutes: {evening.LEAD // timedelta(minutes=1)}\n"
        after = re.sub(r"lead_time_minutes: \d+\n", minutes, critical, count=1)
        file.write_text(f"{before}\n  critical:\n{after}", encoding="utf-8")
        self._place.environment["CLOUDMGR_POLICY_DIR"] = str(policies)
