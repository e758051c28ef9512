"""What a component is told beyond plain variables: files, secrets, the services of others. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cloudmgr.errors import Permanent
from cloudmgr.pools.drivers.kubernetes.names import namespace_of, secret_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.pools.drivers.driver import ComponentWorkload

Object = dict[str, Any]

CONFIG_DIR = "/config"
_FILES = "files"
_HTTP = 80  # where the Service of a component listens, whatever the component itself does


def configuration(component: ComponentWorkload) -> Object:
    """The ConfigMap of its files. Its keys cannot be paths."""
    return {"data": {key: component.files[name] for key, name in _keys(component).items()}}


def volumes(component: ComponentWorkload) -> list[Object]:
    return [{"name": _FILES, "configMap": {"name": component.name}}] if component.files else []


def mounts(component: ComponentWorkload) -> list[Object]:
    """Each file by itself, since the image has files of its own beside it."""
    return [
        {
            "name": _FILES,
            "mountPath": name if name.startswith("/") else f"{CONFIG_DIR}/{name}",
            "subPath": key,
            "readOnly": True,
        }
        for key, name in _keys(component).items()
    ]


def _keys(component: ComponentWorkload) -> dict[str, str]:
    return {f"file-{number}": name for number, name in enumerate(sorted(component.files))}


def secret(component: ComponentWorkload, labels: Mapping[str, str]) -> Object:
    """The values of its secrets: none, if it has none.

    :raises Permanent: ``secret-without-value``.
    """
    lacking = [name for name, known in component.secrets.items() if known.value is None]
    if lacking:
        raise Permanent(
            f"the value of {', '.join(lacking)} is not known",
            code="secret-without-value",
            hint="set it once more",
        )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_of(component.name), "labels": dict(labels)},
        "data": {
            name: base64.b64encode((known.value or "").encode()).decode()
            for name, known in component.secrets.items()
        },
    }


def digest(component: ComponentWorkload) -> str:
    """Changes with what replicas read once, when they start; empty where that is nothing."""
    if not component.files and not component.secrets:
        return ""
    revisions = {name: known.revision for name, known in component.secrets.items()}
    text = json.dumps([dict(component.files), revisions], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def variables(component: ComponentWorkload, prefix: str) -> dict[str, Object]:
    """By name, as the items of a container's ``env``."""
    told: dict[str, Object] = {}
    for service in component.services:
        host, port = service.host, service.port
        if service.environment_id:
            host = f"{service.component}.{namespace_of(prefix, service.environment_id)}.svc"
            port = _HTTP
        for name, value in service.variables(host, port).items():
            told[name] = {"name": name, "value": value}
    for name in component.secrets:
        kept = {"name": secret_of(component.name), "key": name}
        told[name] = {"name": name, "valueFrom": {"secretKeyRef": kept}}
    if component.files:
        told["CONFIG_DIR"] = {"name": "CONFIG_DIR", "value": CONFIG_DIR}
    return told
