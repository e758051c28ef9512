"""What a server is told when it first starts: a document for cloud-init. Pure.

The image's unit reads ``/etc/cloudmgr/environment`` and ``/etc/cloudmgr/replica`` as
``EnvironmentFile=`` and starts after ``cloud-init.service``.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from cloudmgr.errors import Permanent

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import ComponentWorkload, Workload

CONFIG_DIR = "/etc/cloudmgr/config"
ENVIRONMENT = "/etc/cloudmgr/environment"
REPLICA = "/etc/cloudmgr/replica"
DATA = "/data"
# Nova takes 65,535 characters of base64, and keystone's database 65,535 bytes for a project.
_MOST_TOLD = 45_000
_MOST_WRITTEN = 60_000


def device_of(volume_id: str) -> str:
    """How a guest of KVM knows a volume: by as much of its id as a serial number holds."""
    return f"/dev/disk/by-id/virtio-{volume_id[:20]}"


def user_data(component: ComponentWorkload, volume_id: str = "") -> str:
    """The document, in base64 as nova takes it.

    A volume gets a file system when it has none yet, which grows with it at each start. A server
    that does not find it does not start: what it wrote would be on its own disk, and lost.

    :param volume_id: its storage, if it has some.

    JSON is YAML. Every file is in base64, since the document is a template: in it the server's own
    id is filled in, which nobody knows before it is made.
    """
    files = [
        _file(ENVIRONMENT, _environment(component)),
        {
            "path": REPLICA,
            "content": 'CLOUDMGR_REPLICA="{{ v1.instance_id }}"\n',
            "permissions": "0644",
        },
    ]
    for path, text in sorted(component.files.items()):
        where = path if path.startswith("/") else f"{CONFIG_DIR}/{path}"
        files.append(_file(where, text, "0644"))
    told: dict[str, object] = {"write_files": files}
    if volume_id:
        device = device_of(volume_id)
        kind = "ext4"
        told["fs_setup"] = [
            {"device": device, "partition": "none", "filesystem": kind, "overwrite": False}
        ]
        told["mounts"] = [[device, DATA, kind, "defaults,x-systemd.growfs", "0", "2"]]
    document = "## template: jinja\n#cloud-config\n" + json.dumps(told)
    return base64.b64encode(document.encode()).decode()


def require_small(workload: Workload, written: str) -> None:
    """:raises Permanent: ``unsupported`` for more text than a cloud keeps."""
    if len(written.encode()) > _MOST_WRITTEN:
        raise Permanent(
            "the variables and files of an environment together are too long for this pool: "
            f"at most some {_MOST_WRITTEN // 1000} kB",
            code="unsupported",
            hint="put large files into the image",
            path="components",
        )
    for index, component in enumerate(workload.components):
        if len(user_data(component)) * 3 // 4 > _MOST_TOLD:
            raise Permanent(
                f"the variables, files and secrets of {component.name} are too long for this pool: "
                f"at most some {_MOST_TOLD // 1000} kB, files counted one and a third times",
                code="unsupported",
                hint="put large files into the image",
                path=f"components[{index}].files",
            )


def _environment(component: ComponentWorkload) -> str:
    told = dict(component.variables)
    for service in component.services:
        told |= service.variables(service.host, service.port)
    told |= {name: secret.value or "" for name, secret in component.secrets.items()}
    if component.port is not None:
        told["PORT"] = str(component.port)
    if any(not path.startswith("/") for path in component.files):
        told["CONFIG_DIR"] = CONFIG_DIR
    if component.storage_gib:
        told["DATA_DIR"] = DATA
    return "".join(f'{name}="{_quoted(value)}"\n' for name, value in sorted(told.items()))


def _quoted(value: str) -> str:
    """As systemd reads it between double quotes."""
    for mark in ("\\", '"', "$", "`"):
        value = value.replace(mark, f"\\{mark}")
    return value


def _file(path: str, text: str, permissions: str = "0600") -> dict[str, str]:
    content = base64.b64encode(text.encode()).decode()
    return {"path": path, "encoding": "b64", "content": content, "permissions": permissions}
