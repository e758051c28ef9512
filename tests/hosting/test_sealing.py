"""Values at rest open with their key, as what they belong to, and in no other way."""

from __future__ import annotations

import stat
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from cloudmgr.errors import Permanent
from cloudmgr.hosting.sealing import KeyFile, opened, resealed, seal
from cloudmgr.hosting.workload import SEALED

if TYPE_CHECKING:
    from pathlib import Path

VALUE = "swordfish-密码\nsecond line"


def written(path: Path, *keys: bytes, mode: int = 0o600) -> KeyFile:
    path.write_bytes(b"\n".join(keys))
    path.chmod(mode)
    return KeyFile(path)


def refused(file: KeyFile) -> Permanent:
    with pytest.raises(Permanent) as found:
        file.keys()
    assert found.value.code == SEALED
    assert str(file.path) in found.value.message
    return found.value


def test_a_value_opens_as_what_it_belongs_to_and_nothing_of_it_shows(tmp_path: Path) -> None:
    keys = written(tmp_path / "key", Fernet.generate_key()).keys()
    sealed = seal(keys, VALUE, "env_exam", "PASSWORD", "r1")
    assert "swordfish" not in sealed
    assert sealed != seal(keys, VALUE, "env_exam", "PASSWORD", "r1"), "alike values look alike"
    assert opened(keys, sealed, "env_exam", "PASSWORD", "r1") == VALUE


@pytest.mark.parametrize(
    "other", [("env_tax", "PASSWORD", "r1"), ("env_exam", "TOKEN", "r1"), ("env_exam", "PASSWORD")]
)
def test_a_row_that_is_copied_elsewhere_does_not_open(
    tmp_path: Path, other: tuple[str, ...]
) -> None:
    keys = written(tmp_path / "key", Fernet.generate_key()).keys()
    assert opened(keys, seal(keys, VALUE, "env_exam", "PASSWORD", "r1"), *other) is None


def test_another_key_or_a_changed_letter_opens_nothing(tmp_path: Path) -> None:
    keys = written(tmp_path / "key", Fernet.generate_key()).keys()
    sealed = seal(keys, VALUE, "env_exam")
    other = written(tmp_path / "other", Fernet.generate_key()).keys()
    assert opened(other, sealed, "env_exam") is None
    assert resealed(other, sealed) is None
    middle = len(sealed) // 2
    letter = "A" if sealed[middle] != "A" else "B"
    assert opened(keys, sealed[:middle] + letter + sealed[middle + 1 :], "env_exam") is None


def test_a_key_is_rotated_the_first_seals_and_all_open(tmp_path: Path) -> None:
    old, new = Fernet.generate_key(), Fernet.generate_key()
    before = seal(written(tmp_path / "key", old).keys(), VALUE, "env_exam")
    both = written(tmp_path / "key", new, b"", old, b"").keys()
    after = seal(both, VALUE, "env_exam")
    assert opened(both, before, "env_exam") == opened(both, after, "env_exam") == VALUE
    moved = resealed(both, before)
    assert moved is not None
    alone = written(tmp_path / "key", new).keys()
    assert opened(alone, before, "env_exam") is None
    assert opened(alone, after, "env_exam") == opened(alone, moved, "env_exam") == VALUE


def test_a_key_is_made_once_for_its_owner_alone_also_by_many_at_once(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    threads = [threading.Thread(target=file.make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]
    made = file.path.read_bytes()
    assert len(made.splitlines()) == 1
    file.make()
    assert file.path.read_bytes() == made
    assert opened(file.keys(), seal(file.keys(), VALUE, "env_exam"), "env_exam") == VALUE


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o602, 0o601])
def test_a_key_that_others_can_read_or_change_is_refused_with_what_to_do(
    tmp_path: Path, mode: int
) -> None:
    file = written(tmp_path / "key", Fernet.generate_key(), mode=mode)
    assert "chmod 600" in refused(file).hint
    file.path.chmod(0o440)  # as Kubernetes mounts it, for the pod's own group
    file.keys()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \n", b"short", b"\xff\xfe", b"XxxBbhNX7aup6Ut-i-chxSZfPvQ-l8C8HABmt3zzvk="],
)
def test_a_file_that_is_no_key_is_refused_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    error = refused(written(tmp_path / "key", content))
    assert "openssl rand" in error.hint
    assert content.decode(errors="replace").strip() in {"", "\ufffd\ufffd"} or (
        content.decode() not in f"{error.message} {error.hint}"
    )


def test_the_way_that_the_hint_tells_makes_a_key(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "new.key")
    way = refused(file).hint.partition(": ")[2]
    subprocess.run(["sh", "-c", way], check=True)
    file.keys()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be made"):
        KeyFile(tmp_path / "nowhere" / "secrets.key").make()
