"""The pages, one file for each subject. Each declares at the gate who may see it."""

from __future__ import annotations

from cloudmgr.portal.pages import (
    afterwards,
    asking,
    billing,
    calendar,
    departments,
    dividend,
    drift,
    environments,
    freezes,
    home,
    invoices,
    me,
    notices,
    orders,
    people,
    pools,
    promises,
    readiness,
    reconciliation,
    records,
    rehearsals,
    reports,
    requests,
    secrets,
    series,
    shared_services,
    sign_in,
    simulation,
    systems,
    waking,
    windows,
)

ALL = (
    *(
        module.router
        for module in (
            sign_in,
            home,
            me,
            notices,
            systems,
            environments,
            drift,
            freezes,
            secrets,
            orders,
            waking,
            asking,  # before requests: /requests/new is no id
            requests,
            promises,  # before them: `book` is no window's id
            windows,
            series,
            calendar,
            afterwards,
            readiness,
            rehearsals,
            pools,
            simulation,
            reconciliation,
            shared_services,
            billing,
            invoices,
            dividend,
            reports,
            records,
            departments,
            people,
        )
    ),
    billing.export_router,
)
