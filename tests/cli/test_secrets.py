"""Secrets on the command line: a value is typed unseen or piped in, and is never an argument."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from cloudmgr.cli.main import app
from cloudmgr.errors import Permanent
from cloudmgr.hosting.workload import workload
from cloudmgr.wiring.settings import Settings, load
from tests.builders import a_component, an_environment
from tests.cli.office import Office, said

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]
VALUE = "swordfish"


@pytest.fixture
def environment(office: Office) -> str:
    made = an_environment(pool_id="pool_outer", components=(a_component(secrets=("PASSWORD",)),))
    with office.plane.database.write() as tx:
        office.plane.stores.environments.add(tx, made)
    return made.id


def told(office: Office, environment: str) -> str | None:
    """What its pool would be told now."""
    plane = office.plane
    with plane.database.read() as tx:
        found = plane.stores.environments.get(tx, environment)
        (component,) = plane.secrets.told(tx, found, workload(found)).components
    return component.secrets["PASSWORD"].value


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (VALUE.encode(), VALUE),
        (f"{VALUE}\n".encode(), VALUE),
        (f"{VALUE}\r\n".encode(), VALUE),
        (b"line one\nline two\n\n", "line one\nline two\n"),
        (" 密码 ".encode(), " 密码 "),
    ],
)
def test_a_value_comes_from_a_pipe_without_its_last_newline(  # noqa: PLR0917
    office: Office,
    environment: str,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    value: str,
) -> None:
    assert "NOT SET YET" in said(capsys, "env", "secrets", environment)[1]
    pipe(monkeypatch, content)
    code, out, error = said(capsys, "env", "set-secret", environment, "PASSWORD")
    assert (code, error) == (0, "")
    assert told(office, environment) == value
    assert value not in out
    found = json.loads(said(capsys, "env", "secrets", environment, "--json")[1])
    assert [(s["name"], s["has_value"], s["set_by_login"]) for s in found] == [
        ("PASSWORD", True, "officer")
    ]


def test_a_person_types_it_twice_and_sees_nothing_of_it(
    office: Office, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CliRunner()
    with runner.isolation():
        kind = type(sys.stdin)
    monkeypatch.setattr(kind, "isatty", lambda _self: True)
    command = ["env", "set-secret", environment, "PASSWORD"]
    answer = runner.invoke(app, command, input=f"{VALUE}\nanother\n{VALUE}\n{VALUE}\n")
    assert answer.exit_code == 0, answer.output
    assert "Value of PASSWORD" in answer.output
    assert VALUE not in answer.output
    assert told(office, environment) == VALUE


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 40_000, b"a\0b"])
def test_what_is_no_value_is_one_line_that_does_not_repeat_it(
    environment: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    pipe(monkeypatch, content)
    code, _, error = said(capsys, "env", "set-secret", environment, "PASSWORD")
    assert (code, error.count("\n")) == (2, 1)
    assert "xxx" not in error


def test_a_secret_in_use_is_not_dropped_and_a_name_is_no_path(
    environment: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, error = said(capsys, "env", "drop-secret", environment, "PASSWORD")
    assert (code, error.count("\n")) == (4, 1)
    assert "ask for a resize" in error
    pipe(monkeypatch, b"x")
    assert said(capsys, "env", "set-secret", environment, "../../../me/password")[0] in {3, 4}


# ------------------------------------------------------------------------------ the key's file


def test_the_key_is_made_beside_a_database_of_ones_own_and_nowhere_else(tmp_path: Path) -> None:
    own = Settings(state_dir=tmp_path)
    own.make_key()
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]
    (shared_dir := tmp_path / "shared").mkdir()
    shared = Settings(state_dir=shared_dir, database_url="postgresql://db.example/cloudmgr")
    shared.make_key()
    assert list(shared_dir.iterdir()) == []
    (shared_dir / "secrets.key").write_text("no key")
    with pytest.raises(Permanent):
        shared.make_key()


def test_a_key_file_that_is_named_and_not_there_stops_the_start_with_how_to_make_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDMGR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CLOUDMGR_SECRETS_KEY_FILE", str(tmp_path / "city.key"))
    code, _, error = said(capsys, "init")
    assert (code, error.count("\n")) == (1, 1)
    assert "city.key for secrets is not there" in error
    assert "openssl rand -base64 32" in error
    assert not (tmp_path / "city.key").exists()
    (tmp_path / "city.key").write_bytes(Fernet.generate_key())
    (tmp_path / "city.key").chmod(0o644)
    code, _, error = said(capsys, "init")
    assert (code, error.count("\n")) == (1, 1)
    assert "is open to others" in error


def test_all_are_sealed_again_by_a_command(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, office: Office
) -> None:
    monkeypatch.setenv("CLOUDMGR_STATE_DIR", str(tmp_path))
    file = load().key_file.path
    assert file == office.plane.settings.key_file.path
    made = an_environment(components=(a_component(secrets=("PASSWORD",)),), pool_id="pool_outer")
    plane = office.plane
    with plane.database.write() as tx:
        plane.stores.environments.add(tx, made)
        plane.secrets.set(tx, made, "PASSWORD", VALUE, by="usr_li", login="li.wei")
    old, new = file.read_bytes(), Fernet.generate_key()
    file.write_bytes(new + b"\n" + old)
    assert said(capsys, "db", "reseal")[:2] == (0, "sealed with the first key: 1\n")
    file.write_bytes(new)
    assert told(office, made.id) == VALUE
    file.write_bytes(old)
    code, _, error = said(capsys, "db", "reseal")
    assert (code, error.count("\n")) == (1, 1)
    assert "opens 1 of them" in error
