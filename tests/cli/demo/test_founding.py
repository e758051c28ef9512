"""What the officers of the demo ask for is what the API takes and policy allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudmgr.api.routes.requests import NewRequest
from cloudmgr.cli.demo import city, founding
from cloudmgr.hosting.validation import ask_problems, window_problems


@pytest.mark.parametrize("plan", city.PLANS, ids=lambda plan: plan.code)
def test_every_request_of_the_demo_is_well_formed(plan: city.Plan) -> None:
    entry = founding.request(plan, "sys_0123456789abcdef", Path("/records"))
    entry["windows"] = founding.windows(0) if plan.peaks else []
    draft = NewRequest.model_validate(entry).draft()
    assert draft.ask is not None
    assert ask_problems(draft.ask) == []
    assert window_problems(draft.windows, draft.ask.components, city.moment(0)) == []
    (component,) = draft.ask.components
    assert component.command[-1] == plan.code
