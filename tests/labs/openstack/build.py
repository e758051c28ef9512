"""Installs the lab's services and makes an empty cloud of them, once for each set of inputs.

Takes some three minutes, and is kept outside the checkout, under the hash of everything that it
was made of. A cloud starts as a copy of the empty one: see ``cloud.py``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import venv
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.labs.openstack import configuration
from tests.labs.openstack.configuration import DATABASES, PASSWORD, REGION, ROOT, SERVICES
from tests.ports import free_port
from tests.waiting import until

LOCK = ROOT / "requirements" / "openstack-lab.txt"
_HERE = Path(__file__).parent
# What the empty cloud is made by.
_MAKERS = (Path(__file__), _HERE / "configuration.py", _HERE / "inside" / "tables.py")
_ENTRY_POINTS = """\
[neutron.ml2.mechanism_drivers]
anyhost = tests.labs.openstack.inside.anyhost:AnyHost
"""


@dataclass(frozen=True)
class Built:
    """What clouds are started from.

    ``environment`` is where the services are installed, ``template`` the directory of a cloud that
    holds nothing yet.
    """

    environment: Path
    template: Path

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"


def built() -> Built:
    """The services and the empty cloud, made now if they have not been yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudmgr" / "labs"
    services = _hash(LOCK.read_bytes(), _ENTRY_POINTS.encode(), sys.version.encode())
    place = cache / f"openstack-{services}"
    # Installing takes longest, and changes least.
    template = place / f"cloud-{_hash(*(path.read_bytes() for path in _MAKERS))}"
    made = Built(place / "environment", template)
    if made.template.exists():
        return made
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            # What an interrupted run left. Programs in it name its path: it cannot be made
            # elsewhere and moved.
            shutil.rmtree(made.environment, ignore_errors=True)
            _install(made.environment)
            (place / "installed").touch()
        if not made.template.exists():
            with tempfile.TemporaryDirectory(dir=place) as scratch:
                _make_empty_cloud(made, Path(scratch)).rename(made.template)
    return made


def _hash(*content: bytes) -> str:
    return hashlib.sha256(b"\0".join(content)).hexdigest()[:20]


def _install(environment: Path) -> None:
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--require-hashes", "--no-deps", "--no-build-isolation"]
    found = re.search(r"^setuptools==.*?(?=^\S)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{LOCK} has no setuptools"
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as first:
        first.write(found[0])
        first.flush()
        subprocess.run([*install, "-r", first.name], check=True)
    # Two packages are published as source alone: they are built with what was just installed.
    subprocess.run([*install, "-r", str(LOCK)], check=True)
    subprocess.run([*pip, "check"], check=True, stdout=subprocess.DEVNULL)
    # Neutron finds its drivers by entry points alone.
    (packages,) = environment.glob("lib/python*/site-packages")
    about = packages / "cloudmgr_lab-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cloudmgr-lab\nVersion: 1\n")
    (about / "entry_points.txt").write_text(_ENTRY_POINTS)


def _make_empty_cloud(made: Built, directory: Path) -> Path:
    """Schemas, keys, the administrator and the catalogue; its addresses are of no use later."""
    empty = directory / "cloud"
    for name in ("db", "fernet", "credential"):
        (empty / name).mkdir(parents=True, mode=0o700)
    for name in DATABASES:
        with closing(sqlite3.connect(empty / "db" / f"{name}.db")) as made_now:
            made_now.execute("PRAGMA journal_mode=WAL")
    ports = {name: free_port() for name in SERVICES}
    configuration.write(empty, made.environment, ports)
    _fill(made, empty, configuration.address(ports["keystone"]) + "/v3")
    with (directory / "keystone.log").open("wb") as log:
        keystone = subprocess.Popen(
            [
                str(made.python), "-m", "tests.labs.openstack.inside.serve",
                "keystone", str(ports["keystone"]), str(empty),
            ],
            cwd=directory, env=configuration.variables(empty), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _write_catalogue(configuration.address(ports["keystone"]) + "/v3")
    finally:
        keystone.terminate()
        keystone.wait()
    shutil.rmtree(empty / "etc")
    (empty / "requests.log").unlink()
    return empty


def _fill(made: Built, empty: Path, keystone: str) -> None:
    """Let the services' own programs make what they need."""
    me = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    cell0, cell1 = (
        configuration.database(empty, name) for name in ("nova_cell1_cell0", "nova_cell1")
    )

    def manage(service: str, *arguments: str) -> None:
        given = ["--config-file", str(configuration.file(empty, service))]
        program = str(made.environment / "bin" / f"{service}-manage")
        _run(empty, program, *given, *arguments)

    manage("keystone", "db_sync")
    manage("keystone", "fernet_setup", *me)
    manage("keystone", "credential_setup", *me)
    manage(
        "keystone", "bootstrap", "--bootstrap-password", PASSWORD,
        "--bootstrap-region-id", REGION, "--bootstrap-public-url", keystone,
    )  # fmt: skip
    manage("placement", "db", "sync")
    manage("glance", "db_sync")
    manage("cinder", "db", "sync")
    manage("nova", "api_db", "sync")
    manage("nova", "cell_v2", "map_cell0", "--database_connection", cell0)
    manage("nova", "db", "sync")
    manage(
        "nova", "cell_v2", "create_cell", "--name", "cell1",
        "--transport-url", "fake:///", "--database_connection", cell1,
    )  # fmt: skip
    tables = ["-m", "tests.labs.openstack.inside.tables"]
    _run(empty, str(made.python), *tables, str(configuration.file(empty, "neutron")))


def _run(empty: Path, *command: str) -> None:
    done = subprocess.run(
        command,
        check=False,
        cwd=empty,
        env=configuration.variables(empty),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}"


def _write_catalogue(keystone: str) -> None:
    domain = {"id": "default"}
    login = {"user": {"name": "admin", "domain": domain, "password": PASSWORD}}
    asked = {
        "auth": {
            "identity": {"methods": ["password"], "password": login},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
    }

    def token() -> str | None:
        try:
            return httpx.post(f"{keystone}/auth/tokens", json=asked, trust_env=False).headers[
                "X-Subject-Token"
            ]
        except httpx.TransportError:
            return None

    headers = {"X-Auth-Token": until(token, seconds=120, what="keystone")}
    with httpx.Client(base_url=keystone, headers=headers, trust_env=False) as api:

        def post(kind: str, **body: str) -> str:
            answer = api.post(f"/{kind}s", json={kind: body}).raise_for_status()
            return str(answer.json()[kind]["id"])

        def named(kind: str, name: str) -> str:
            (only,) = (
                api.get(f"/{kind}s", params={"name": name}).raise_for_status().json()[f"{kind}s"]
            )
            return str(only["id"])

        for name, (kind, _) in SERVICES.items():
            service = (
                named("service", "keystone")
                if name == "keystone"
                else post("service", type=kind, name=name)
            )
            for interface in ("public", "internal"):
                if (name, interface) != ("keystone", "public"):
                    post(
                        "endpoint",
                        service_id=service,
                        interface=interface,
                        region_id=REGION,
                        url="http://127.0.0.1",
                    )
        # Nova and neutron speak to each other as the administrator, and as services.
        project, user = named("project", "admin"), named("user", "admin")
        path = f"/projects/{project}/users/{user}/roles/{named('role', 'service')}"
        api.put(path).raise_for_status()


if __name__ == "__main__":
    sys.stdout.write(f"{built().template.parent}\n")
