"""Throw-away PostgreSQL servers, from the programs that the system's package installs."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, text

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


def binaries() -> Path | None:
    """The directory of ``initdb`` and ``pg_ctl``; None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next(
        (c for c in candidates if (c / "initdb").exists() and (c / "pg_ctl").exists()), None
    )


@contextmanager
def server(programs: Path, *, durable: bool) -> Iterator[str]:
    """The address of a server that lives as long as the block.

    :param programs: as :func:`binaries` gives them.
    :param durable: whether a commit waits for the disk, as it does in earnest.
    """
    home = Path(tempfile.mkdtemp(prefix="cloudmgr-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root, and the account that runs it must reach its directory.
        shutil.chown(home, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    port = free_port()
    data = home / "data"

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, cwd=home, stdout=subprocess.DEVNULL)

    run(
        str(programs / "initdb"),
        *f"-D {data} -U cloudmgr -A trust --no-sync -E UTF8 --locale=C.UTF-8".split(),
    )
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
        " -c max_connections=100"
    )
    if not durable:
        options += " -c fsync=off -c full_page_writes=off"
    control = [str(programs / "pg_ctl"), "-D", str(data)]
    run(*control, "-l", str(home / "log"), "-w", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://cloudmgr@127.0.0.1:{port}/postgres"
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


def fresh(url: str, template: str = "template1") -> str:
    """The address of a new database on the server ``url``: empty, or as its ``template`` is."""
    name = f"t{uuid.uuid4().hex[:12]}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    admin.dispose()
    return url.rsplit("/", 1)[0] + f"/{name}"
