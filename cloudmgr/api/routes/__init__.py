"""The routes, one module for each kind of thing, listed in ``ALL``.

How a route is written
======================

::

    router = APIRouter(prefix="/api/v1/windows", tags=["windows"])  # whole: metrics go by it

    class NewWindow(Entry): ...         # what comes in; every text is Name, Reason, Code or Id
    class WindowView(View): ...         # what goes out; both with model_config = example(…)

    @router.get("", response_model=Page[WindowView])
    def list_windows(                                   # the function's name is the operation id
        caller: Annotated[Caller, Access(Action.WINDOW_READ)],   # or dependencies=[Public]
        paging: Paged,
        department_id: Annotated[Id | None, Query()] = None,
    ) -> Page[WindowView]:
        services = caller.services
        held_to = caller.confine(department_id)         # None for all; for the store's list()
        with services.database.read() as tx:
            rows = services.windows.list(
                tx, department_id=held_to, after=paging.after("windows"), limit=paging.fetch
            )
        return paging.page("windows", rows, lambda w: w.id, _view)

    @router.get("/{window_id}", response_model=WindowView)
    def get_window(caller: …, window_id: str, if_none_match: IfNoneMatch = None) -> Response:
        with caller.services.database.read() as tx:
            window = caller.services.windows.get(tx, window_id)
        caller.require(window.department_id)            # before anything of it is shown
        return seen(_view(window), etag(window.version), if_none_match)

    @router.post("", status_code=201, response_model=WindowView)
    def create_window(caller: …, body: NewWindow, repeatable: Once) -> Response:
        def work(tx: Connection) -> Answer:             # everything in one transaction
            environment = caller.services.environments.get(tx, body.environment_id)
            caller.require(environment.department_id)
            …
            caller.record(tx, "window.create", object_kind="window", object_id=window.id,
                          department_id=window.department_id, detail={…})
            return Answer(201, _view(window), {"Location": …, "ETag": etag(window.version)})
        return repeatable.once(caller, work)

A PUT, PATCH, DELETE, or a POST that changes something with a version, also takes
``if_match: IfMatch = None`` and says ``expect(if_match, etag(thing.version))`` inside ``work``,
after ``caller.require``; the store's compare-and-set then holds it to that version.

- Endpoints are plain functions: they run in a thread, since the database blocks.
- Errors are raised, from :mod:`cloudmgr.errors`; :mod:`cloudmgr.api.problems` answers them. To
  whoever sees one department alone, every NotFound reads the same. Error answers, ETag and
  idempotency headers are documented by :mod:`cloudmgr.api.openapi`, from what the route takes.
- Answers that hold a secret are not kept: no ``Once`` there.
- ``tests/api/test_every_route.py`` walks over all routes, and fails for one whose path parameters
  or lists it has no seed for: add the thing, once for each of its two departments, to
  ``tests/api/city.py``.
"""

from __future__ import annotations

from cloudmgr.api.routes import (
    accounts,
    afterwards,
    announcing,
    audit,
    budgets,
    calendar,
    deliveries,
    demand,
    departments,
    dividend,
    drift,
    environments,
    freezes,
    hibernation,
    invoices,
    ledger,
    me,
    needs,
    notices,
    orders,
    periods,
    plane,
    policy,
    pools,
    promises,
    readiness,
    reconciliation,
    rehearsals,
    reports,
    requests,
    secrets,
    series,
    settlement,
    shared_services,
    simulation,
    systems,
    usage,
    users,
    windows,
)

ALL = tuple(
    module.router
    for module in (
        plane,
        departments,
        accounts,
        users,
        me,
        systems,
        requests,
        environments,
        hibernation,
        needs,
        demand,
        notices,
        deliveries,
        drift,
        freezes,
        secrets,
        orders,
        promises,  # before them: `at-risk` is no window's id
        windows,
        afterwards,
        readiness,
        rehearsals,
        series,
        calendar,
        announcing,
        pools,
        simulation,
        reconciliation,
        shared_services,
        policy,
        usage,
        ledger,
        periods,
        invoices,
        settlement,
        dividend,
        reports,
        budgets,
        audit,
    )
)

TAGS = [
    {"name": "departments", "description": "Who asks, uses and pays, dated."},
    {"name": "billing accounts", "description": "Who stands behind them."},
    {"name": "users", "description": "People and their roles."},
    {"name": "me", "description": "Whoever asks, and the tokens of one's own."},
    {"name": "systems", "description": "What departments run."},
    {"name": "requests", "description": "What departments ask for, and what was decided."},
    {"name": "environments", "description": "What is hosted, and what may be ordered of it."},
    {"name": "windows", "description": "Announced peaks."},
    {"name": "pools", "description": "Capacity: what there is, what is held, what is left."},
    {"name": "shared services", "description": "What components may be bound to, and who is."},
    {"name": "notices", "description": "What people are told without asking."},
    {"name": "policy", "description": "The rules that decide."},
    {"name": "usage", "description": "What was used, as observed."},
    {"name": "billing", "description": "Months, charges, invoices."},
    {"name": "audit", "description": "Who did what."},
    {"name": "control plane", "description": "Whether it lives, and how it does."},
]
