"""Values sealed at rest, with keys in a file that lies beside the database and never in it.

The only file that knows how (Fernet: AES-128 in CBC mode with HMAC-SHA256).
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from cloudmgr.errors import Permanent
from cloudmgr.hosting.workload import SEALED

if TYPE_CHECKING:
    from pathlib import Path

_HOW = "(umask 077; openssl rand -base64 32 | tr +/ -_ > {path})"
# Its owner, and a group such as Kubernetes gives to what it mounts, may read it; nobody else.
_TOO_OPEN = stat.S_IWGRP | stat.S_IRWXO


class KeyFile:
    """The keys, one a line: the first seals, all open.

    It is read each time: what is put right there counts at once, for all that share it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        """A key for its owner alone, unless there is one.

        :raises Permanent: ``secrets-sealed`` when it cannot be written.
        """
        if self.path.exists():
            return
        try:
            with tempfile.NamedTemporaryFile(dir=self.path.parent, suffix=".key") as new:
                new.write(Fernet.generate_key() + b"\n")
                new.flush()
                os.fsync(new.fileno())
                # Whole or not at all, and the first of two that start at once is the only one.
                os.link(new.name, self.path)
        except FileExistsError:
            return
        except OSError as error:
            raise _unusable(
                self.path,
                f"cannot be made: {error.strerror}",
                "set CLOUDMGR_STATE_DIR to a directory that this user may write to",
            ) from None

    def keys(self) -> MultiFernet:
        """:raises Permanent: ``secrets-sealed``, with what to do."""
        how = _HOW.format(path=self.path)
        try:
            with self.path.open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                lines = file.read().splitlines()
        except FileNotFoundError:
            raise _unusable(
                self.path, "is not there", f"make it once, for all control planes: {how}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(
                self.path, f"cannot be read: {error}", f"a key file is made so: {how}"
            ) from None
        if mode & _TOO_OPEN:
            raise _unusable(self.path, "is open to others", f"close it: chmod 600 {self.path}")
        found = []
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    found.append(Fernet(line.strip()))
                except ValueError:
                    raise _unusable(
                        self.path, f"has no key in line {number}", f"a key file is made so: {how}"
                    ) from None
        if not found:
            raise _unusable(self.path, "is empty", f"make it anew: {how}")
        return MultiFernet(found)


def seal(keys: MultiFernet, value: str, *belongs_to: str) -> str:
    """``value``, to be opened only as what it belongs to: a row that is copied does not open."""
    return keys.encrypt(json.dumps([value, *belongs_to]).encode()).decode("ascii")


def opened(keys: MultiFernet, sealed: str, *belongs_to: str) -> str | None:
    """What :func:`seal` took; None for another key, or if it belongs to something else."""
    try:
        value, *found = json.loads(keys.decrypt(sealed))
    except InvalidToken:
        return None
    return value if tuple(found) == belongs_to else None


def resealed(keys: MultiFernet, sealed: str) -> str | None:
    """``sealed`` with the first of ``keys``; None if none of them opens it."""
    try:
        return keys.rotate(sealed).decode("ascii")
    except InvalidToken:
        return None


def _unusable(path: Path, what: str, hint: str) -> Permanent:
    return Permanent(f"the key file {path} for secrets {what}", code=SEALED, hint=hint)
