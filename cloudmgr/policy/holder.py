"""The bundle that is in force, and how it is replaced while everything runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloudmgr.errors import Invalid
from cloudmgr.policy.check import check_source
from cloudmgr.policy.loading import broken, read_source

if TYPE_CHECKING:
    from pathlib import Path

    from cloudmgr.policy.bundle import PolicyBundle
    from cloudmgr.policy.loading import Source


class PolicyHolder:
    """Gives the bundle of ``directory`` that was last found good. Thread-safe.

    Good means that it loads and that all its test cases pass. Take ``current`` once for each
    decision, so that all of it comes from one bundle.

    :raises Invalid: ``broken-policy`` if there is no good bundle to start with.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        source = read_source(directory)
        self._seen = source.fingerprint
        self._current = self._good(source)
        self._last_error: Invalid | None = None

    @property
    def current(self) -> PolicyBundle:
        return self._current

    @property
    def last_error(self) -> Invalid | None:
        """Why the directory as last seen is not in force; None when it is."""
        return self._last_error

    def reload(self) -> bool:
        """Take over what the directory holds now; True if that changed what is in force.

        Reads a few small files and does nothing more when they are as before, so that it may be
        called often.

        :raises Invalid: ``broken-policy`` with every problem, for as long as the directory is
            broken; the bundle in force stays.
        """
        with self._lock:
            source = read_source(self.directory)
            if source.fingerprint == self._seen:
                if self._last_error is not None:
                    raise self._last_error.with_traceback(None)
                return False
            before = self._current.digest
            try:
                self._current = self._good(source)
            except Invalid as error:
                self._seen, self._last_error = source.fingerprint, error
                raise
            self._seen, self._last_error = source.fingerprint, None
            return self._current.digest != before

    def _good(self, source: Source) -> PolicyBundle:
        report = check_source(self.directory, source)
        if report.bundle is None:
            raise broken(self.directory, report.findings)
        return report.bundle
