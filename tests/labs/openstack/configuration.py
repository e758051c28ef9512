"""What the services of one cloud are told: files below its directory, and variables."""

from __future__ import annotations

import os
import shutil
from configparser import RawConfigParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[3]
# A city's own rules for the account of cloudmgr, where it ships them.
POLICIES = ROOT / "deploy" / "openstack" / "policy"
REGION = "RegionOne"
# What reaches it can do nothing that its user could not do anyhow.
PASSWORD = "lab"
DATABASES = (
    "keystone", "placement", "glance", "neutron", "cinder",
    "nova_api", "nova_cell1", "nova_cell1_cell0",
)  # fmt: skip
# Of each service: its type in the catalogue, and what follows its address there.
SERVICES = {
    "keystone": ("identity", "/v3"),
    "placement": ("placement", ""),
    "glance": ("image", ""),
    "neutron": ("network", ""),
    "cinder": ("block-storage", "/v3/$(project_id)s"),
    "nova": ("compute", "/v2.1"),
}
_FILES = {
    "keystone": "keystone.conf",
    "placement": "placement.conf",
    "glance": "glance-api.conf",
    "neutron": "neutron.conf",
    "cinder": "cinder.conf",
    "nova": "nova.conf",
}


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def database(directory: Path, name: str) -> str:
    return f"sqlite:///{directory / 'db' / name}.db?timeout=60"


def file(directory: Path, service: str) -> Path:
    return directory / "etc" / service / _FILES[service]


def variables(directory: Path) -> dict[str, str]:
    """The environment of every process that belongs to the cloud."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "PYTHONUNBUFFERED": "1",
        "LAB_PARENT": str(os.getpid()),
        "LAB_GUESTS": str(directory / "guests"),
        "LAB_VOLUMES": str(directory / "volumes"),
        "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1",
        "OS_CINDER_DISABLE_EVENTLET_PATCHING": "1",
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        **{f"OS_{name.upper()}_CONFIG_DIR": str(file(directory, name).parent) for name in SERVICES},
    }


def write(directory: Path, environment: Path, ports: Mapping[str, int]) -> None:
    """:param environment: where the services are installed.
    :param ports: of each service.
    """
    for name, sections in _contents(directory, environment / "etc", ports).items():
        path = file(directory, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        rules = POLICIES / f"{name}.yaml"
        if rules.exists():
            shutil.copy(rules, path.parent / "policy.yaml")
            sections["oslo_policy"] = {"policy_file": str(path.parent / "policy.yaml")}
        parser = RawConfigParser(default_section="")
        parser.read_dict(sections)
        path.touch(mode=0o600)
        with path.open("w") as opened:
            parser.write(opened)
    # Nova looks for it beside its own file and nowhere else.
    shutil.copy(environment / "etc" / "nova" / "api-paste.ini", directory / "etc" / "nova")


def _contents(
    directory: Path, installed: Path, ports: Mapping[str, int]
) -> dict[str, dict[str, dict[str, str]]]:
    d = directory
    keystone = address(ports["keystone"])
    login = {
        "auth_type": "password",
        "auth_url": f"{keystone}/v3",
        "username": "admin",
        "password": PASSWORD,
        "project_name": "admin",
        "user_domain_id": "default",
        "project_domain_id": "default",
        "region_name": REGION,
    }
    tokens = {
        **login,
        "www_authenticate_uri": keystone,
        "service_token_roles": "service",
        "service_token_roles_required": "true",
    }

    def kept(name: str) -> dict[str, str]:
        return {"connection": database(d, name), "sqlite_synchronous": "false"}

    return {
        "keystone": {
            "database": kept("keystone"),
            "identity": {"password_hash_rounds": "4"},
            # It is one process: what it remembers of tokens and roles it forgets in time by itself.
            "cache": {"enabled": "true", "backend": "dogpile.cache.memory"},
            "fernet_tokens": {"key_repository": f"{d}/fernet"},
            "credential": {"key_repository": f"{d}/credential"},
        },
        "placement": {
            "api": {"auth_strategy": "keystone"},
            "placement_database": kept("placement"),
            "keystone_authtoken": tokens,
        },
        "glance": {
            "DEFAULT": {
                "enabled_backends": "files:file",
                "worker_self_reference_url": address(ports["glance"]),
            },
            "database": kept("glance"),
            "glance_store": {"default_backend": "files"},
            "files": {"filesystem_store_datadir": f"{d}/images"},
            "os_glance_staging_store": {"filesystem_store_datadir": f"{d}/state/staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": f"{d}/state/tasks"},
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": f"{installed}/glance/glance-api-paste.ini",
            },
            "keystone_authtoken": tokens,
        },
        "neutron": {
            "DEFAULT": {
                "transport_url": "fake:///",
                "core_plugin": "ml2",
                "service_plugins": "router",
                "state_path": f"{d}/state/neutron",
                "api_paste_config": f"{installed}/neutron/api-paste.ini",
                "auth_strategy": "keystone",
                "notify_nova_on_port_status_changes": "true",
                "notify_nova_on_port_data_changes": "true",
                "dhcp_agent_notification": "false",
            },
            "database": kept("neutron"),
            "oslo_concurrency": {"lock_path": f"{d}/state/neutron"},
            "ml2": {
                "type_drivers": "local,flat,vlan,vxlan",
                "tenant_network_types": "vxlan",
                "mechanism_drivers": "anyhost",
                "extension_drivers": "port_security",
            },
            "ml2_type_vxlan": {"vni_ranges": "1:1000"},
            "ml2_type_flat": {"flat_networks": "*"},
            "securitygroup": {"enable_security_group": "true"},
            "keystone_authtoken": tokens,
            "nova": login,
        },
        "cinder": {
            "DEFAULT": {
                # Its queues are in one process, and so are all of its parts.
                "transport_url": "fake:///",
                "auth_strategy": "keystone",
                "api_paste_config": f"{installed}/cinder/api-paste.ini",
                "resource_query_filters_file": f"{installed}/cinder/resource_filters.json",
                "state_path": f"{d}/state/cinder",
                "enabled_backends": "lab",
                "service_down_time": "1000000",  # they share one sign of life
                "glance_api_servers": address(ports["glance"]),
            },
            "lab": {
                "volume_driver": "tests.labs.openstack.inside.volumes.Volumes",
                "volume_backend_name": "lab",
            },
            "database": kept("cinder"),
            "oslo_concurrency": {"lock_path": f"{d}/state/cinder"},
            "coordination": {"backend_url": f"file://{d}/state/cinder"},
            "keystone_authtoken": tokens,
            "nova": login,
        },
        "nova": {
            "DEFAULT": {
                # Its queues are in one process, and so are all of nova's parts.
                "transport_url": "fake:///",
                "compute_driver": "fake.Hypervisor",
                "state_path": f"{d}/state/nova",
                "report_interval": "2",
                "service_down_time": "10",
                "reserved_host_memory_mb": "0",
                "shelved_offload_time": "0",
                # Seconds until it sees that guests went down with their host.
                "sync_power_state_interval": "5",
                "periodic_fuzzy_delay": "0",
            },
            "api_database": kept("nova_api"),
            "database": kept("nova_cell1"),
            "oslo_concurrency": {"lock_path": f"{d}/state/nova"},
            "filter_scheduler": {"track_instance_changes": "false"},
            "glance": {"region_name": REGION},
            "vnc": {"enabled": "false"},
            "barbican": {"barbican_region_name": REGION},
            "keystone_authtoken": tokens,
            "placement": login,
            "neutron": login,
            "cinder": login,
            # Neutron lets a member delete the port of a server only together with nova.
            "service_user": {**login, "send_service_user_token": "true"},
        },
    }
