"""Secrets of components, as they are kept in a project: sealed with the pool's own credential.

Whoever holds that credential can start servers that are told them anyway; nobody else can read
them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from cloudmgr.pools.drivers.driver import SecretValue, Workload

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import ComponentWorkload


def seal(workload: Workload, seed: str) -> str:
    """The values of all its secrets; empty if it has none."""
    said = {
        component.name: {n: [s.revision, s.value] for n, s in component.secrets.items()}
        for component in workload.components
        if component.secrets
    }
    return _box(seed).encrypt(json.dumps(said).encode()).decode() if said else ""


def opened(workload: Workload, sealed: str, seed: str) -> Workload | None:
    """``workload`` with the values of its secrets; None if one of them is not there."""
    if not any(component.secrets for component in workload.components):
        return workload
    try:
        said = json.loads(_box(seed).decrypt(sealed.encode()))
    except (InvalidToken, ValueError):
        return None  # the pool has another credential now, or somebody wrote there
    components = tuple(_filled(c, said.get(c.name, {})) for c in workload.components)
    if any(s.value is None for c in components for s in c.secrets.values()):
        return None
    return replace(workload, components=components)


def _filled(component: ComponentWorkload, said: dict[str, list[str | None]]) -> ComponentWorkload:
    values = {
        name: SecretValue(secret.revision, said[name][1])
        if name in said and said[name][0] == secret.revision
        else secret
        for name, secret in component.secrets.items()
    }
    return replace(component, secrets=values)


def _box(seed: str) -> Fernet:
    key = hashlib.sha256(f"cloudmgr secrets {seed}".encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))
