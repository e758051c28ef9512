"""Builds the lab's control plane from the Kubernetes modules, once for each set of inputs.

A cold build compiles all of Kubernetes: 10 to 20 minutes on two cores. What it makes is kept
outside the checkout, under the hash of everything that it was made of.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parent / "controlplane"
_VERSION = re.compile(
    r"^\s*k8s\.io/kubernetes v(?P<full>(?P<major>\d+)\.(?P<minor>\d+)\.\d+)$", re.MULTILINE
)


class NoGoError(Exception):
    """There is no Go toolchain here."""


def binary() -> Path:
    """The control plane, built now if it has not been yet.

    :raises NoGoError: without a Go toolchain, where it has not been built yet either.
    """
    content = [(SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum")]
    key = hashlib.sha256(b"\0".join(content)).hexdigest()[:20]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudmgr" / "labs"
    target = cache / f"kubernetes-{key}" / "controlplane"
    if target.exists():
        return target
    go = shutil.which("go")
    if go is None:
        raise NoGoError
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _build(go, target)
    return target


def version() -> str:
    """Of Kubernetes, as ``1.37.2``."""
    return _module_version()["full"]


def _module_version() -> re.Match[str]:
    found = _VERSION.search((SOURCE / "go.mod").read_text())
    assert found, "go.mod names no version of k8s.io/kubernetes"
    return found


def _build(go: str, target: Path) -> None:
    found = _module_version()
    # Without these the apiserver says that it is v0.0.0, and clients that look refuse it.
    prefix = "k8s.io/component-base/version"
    said = {
        "gitVersion": f"v{found['full']}",
        "gitMajor": found["major"],
        "gitMinor": found["minor"],
        "gitTreeState": "clean",
    }
    flags = " ".join(["-s -w", *(f"-X {prefix}.{name}={value}" for name, value in said.items())])
    fresh = target.with_suffix(".new")
    subprocess.run(
        [go, "build", "-trimpath", "-ldflags", flags, "-o", str(fresh), "."],
        cwd=SOURCE,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"},
        check=True,
    )
    fresh.replace(target)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{binary()}\n")
    except NoGoError:
        sys.exit("the Kubernetes lab needs Go 1.26 or later: see go.mod")
