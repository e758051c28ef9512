"""What runs where the control plane runs. Commands that only ask it need none of this: it takes a
second to import.
"""

from __future__ import annotations

import logging
import secrets
import signal
import socket
import threading
import uuid
from typing import TYPE_CHECKING

import uvicorn

from cloudmgr.api.app import create_app
from cloudmgr.cli.show import err
from cloudmgr.clock import SystemClock
from cloudmgr.db.engine import Database
from cloudmgr.db.migrate import head, upgrade
from cloudmgr.errors import Conflict, Permanent
from cloudmgr.hosting.secrets import Secrets
from cloudmgr.identity.authentication import Authenticator
from cloudmgr.identity.user import Locale, Role, Scope, User
from cloudmgr.portal.app import portal_mounts, portal_routers, problem_page
from cloudmgr.scaling.waker.app import waker
from cloudmgr.scaling.waker.server import config
from cloudmgr.wiring.control_plane import ControlPlane
from cloudmgr.wiring.settings import load
from cloudmgr.wiring.stores import Stores

if TYPE_CHECKING:
    from datetime import timedelta

_GRACE = 10


def serve(log_level: str) -> None:
    """Run a control plane until it is told to stop."""
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for chatty in ("alembic", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = load()
    plane = ControlPlane(settings)
    faces = create_app(
        plane.services,
        routers=portal_routers(),
        public_mounts=portal_mounts(),
        render=problem_page,
    )
    faces.state.secure_cookies = settings.secure_cookies
    api = _server(faces, settings.host, settings.port, log_level)
    held = uvicorn.Server(
        config(waker(plane.sleepers, plane.clock), settings.host, settings.waker_port)
    )
    # Bound before anything begins: a port that is taken must not leave half a control plane.
    sockets = {server: _bound(server) for server in (api, held)}
    # On threads, since in the main one Uvicorn would end the process before the plane has stopped.
    told = threading.Event()

    def run(server: uvicorn.Server, bound: socket.socket) -> None:
        try:
            server.run([bound])
        finally:
            told.set()  # one that fails must not leave the rest behind it, deaf

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in sockets.items()]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: told.set())
    plane.start()
    try:
        for thread in threads:
            thread.start()
        err.print(f"cloudmgr: http://{settings.host}:{settings.port}", markup=False)
        told.wait()
    finally:
        for server in sockets:
            server.should_exit = True
        for thread in threads:
            thread.join(timeout=_GRACE + 5)
        plane.stop()


def first_administrator(login: str, password: str | None, life: timedelta) -> tuple[str, str]:
    """Make the tables and the first administrator: their password, and a token that lives so long.

    :raises Conflict: ``already-initialised`` when there are users.
    """
    settings = load()
    plane = ControlPlane(settings)
    plane.prepare()
    stores = Stores()
    clock = SystemClock()
    authenticator = Authenticator(stores.users, stores.tokens, clock)
    word = password or secrets.token_urlsafe(12)
    with plane.database.write() as tx:
        if stores.users.list(tx, limit=1):
            raise Conflict(
                "there are users already: the first administrator was made before",
                code="already-initialised",
                hint="sign in as an administrator and make further users there",
            )
        user = User(
            id=f"usr_{uuid.uuid4().hex[:16]}",
            login=login,
            name=login,
            roles=frozenset({Role.ADMINISTRATOR}),
            department_id=None,
            locale=Locale.ZH_CN,
            created_at=clock.now(),
        )
        stores.users.create(tx, user, authenticator.hashed(word))
        _token, secret = authenticator.issue(
            tx,
            user,
            "init",
            frozenset({Scope.READ, Scope.WRITE, Scope.BILLING, Scope.ADMIN}),
            life,
        )
    plane.database.close()
    return word, secret


def upgrade_tables() -> str:
    """Bring the tables to what this version needs: the revision that they are at."""
    settings = load()
    settings.make_state_dir()
    opened = Database(settings.database)
    upgrade(opened)
    opened.close()
    return head()


def reseal() -> int:
    """Seal all secrets with the first key of the key file: how many were.

    :raises Permanent: ``secrets-sealed`` when some were not, after the others.
    """
    settings = load()
    settings.make_state_dir()
    opened = Database(settings.database)
    stores = Stores()
    sealed = Secrets(stores.environments, stores.secrets, settings.key_file, SystemClock())
    with opened.write() as tx:
        done, failed = sealed.reseal(tx)
    opened.close()
    if failed:
        raise Permanent(
            f"no key of {settings.key_file.path} opens {failed} of them; {done} are sealed anew",
            code="secrets-sealed",
            hint="add the key with which they were sealed, or have them set anew",
        )
    return done


def _server(app: object, host: str, port: int, log_level: str) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type] # ASGI has one shape and many types
            host=host,
            port=port,
            log_level="warning" if log_level == "info" else log_level,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
    )


def _bound(server: uvicorn.Server) -> socket.socket:
    """Not by Uvicorn: that logs a line of its own and ends the process, and makes the socket
    inheritable, so that a gateway or replica would keep the port after our death. Nor does it name
    the protocol, without which asyncio leaves Nagle's algorithm on: 40 ms for every small answer.
    """
    host, port = server.config.host, server.config.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Permanent(
            f"port {port} of {host} cannot be listened on: {error.strerror}",
            code="port-taken",
            hint="end what listens there, or set CLOUDMGR_PORT and CLOUDMGR_WAKER_PORT",
        ) from None
    return bound
