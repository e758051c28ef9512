"""How the waker is served: uvicorn, told what a proxy needs and a website does not."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import uvicorn

from cloudmgr.scaling.waker.tunnel import tunnel

if TYPE_CHECKING:
    from cloudmgr.scaling.waker.app import Waker

_MOST_FILES = 65_536


def config(waker: Waker, host: str, port: int) -> uvicorn.Config:
    """For ``uvicorn.Server(config(…))``, in the control plane's process or out of it."""
    _allow_many_files()
    return uvicorn.Config(
        waker,
        host=host,
        port=port,
        ws=tunnel(waker),
        lifespan="on",
        access_log=False,
        log_config=None,
        # The answers are the systems' own, and the gateway has said who the client is.
        server_header=False,
        date_header=False,
        proxy_headers=False,
        backlog=2_048,
        timeout_graceful_shutdown=5,
    )


def _allow_many_files() -> None:
    """A request that is held keeps a file open, and a second one while it is passed on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
