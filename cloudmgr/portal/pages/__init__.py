"""The pages, one file for each subject. Each declares at the gate who may see it."""

from __future__ import annotations

from cloudmgr.portal.pages import (
    asking,
    environments,
    home,
    orders,
    pools,
    requests,
    sign_in,
    systems,
    windows,
)

ALL = tuple(
    module.router
    for module in (
        sign_in,
        home,
        systems,
        environments,
        orders,
        asking,  # before requests: /requests/new is no id
        requests,
        windows,
        pools,
    )
)
