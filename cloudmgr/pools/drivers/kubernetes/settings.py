"""What an operator may set of a Kubernetes pool, and how it keeps in touch with the cluster."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cloudmgr.pools.drivers.settings import parsed_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?")
_PREFIX = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Timing:
    """Spans of elapsed time, in seconds."""

    answer: float = 15.0  # for one request
    watch: float = 300.0  # a watch ends and is taken up again where it was
    silence: float = 90.0  # without a word on a watch; the apiserver says something each minute
    first_retry: float = 0.2  # after a failure, growing …
    slowest_retry: float = 15.0  # … to this
    resync: float = 1800.0  # between two full lists, should an event have been lost
    stale: float = 20.0  # what was seen longer ago than this is not told for what is
    settle: float = 5.0  # from Draining to SIGTERM: the gateway stops sending within it


class KubernetesSettings(BaseModel):
    """A Kubernetes pool's own settings.

    ``kubeconfig`` is a file with the credentials, ``context`` one of its contexts; without a file
    those of the pod in which cloudmgr runs are taken. ``prefix`` begins the name of each
    namespace and tells several pools of one cluster apart; it never changes once something runs.
    ``node_selector`` are the labels of the nodes that make up the pool. ``storage_gib`` is what
    the claims of the pool may have together, ``storage_class`` where they get it.

    ``spare_nodes`` may fail and all that was promised still has its room: what so many of the
    largest nodes have is not given away. ``placeholder_image`` is an image that does nothing
    (``pause``), of which pods hold room ahead of a peak; without one the room is only counted.

    ``registry_config`` is a file as Docker and Podman write it (``config.json``), with which the
    nodes fetch images from a registry that wants to know who asks; it is read once.

    ``gateway_namespace`` and ``gateway_labels`` name the pods, ``gateway_cidrs`` the addresses
    outside of the cluster, that may reach what is hosted.

    ``prometheus_url`` is a Prometheus that scrapes the cluster's kubelets (``/metrics/cadvisor``):
    with it, what pods really use is metered too. ``prometheus_token_file`` holds a bearer token
    for it, ``prometheus_ca_file`` the certificates to trust.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: str = ""
    context: str = ""
    prefix: str = "cloudmgr"
    node_selector: dict[str, str] = Field(default_factory=dict)
    storage_class: str = ""
    storage_gib: int = Field(default=0, ge=0)
    spare_nodes: int = Field(default=1, ge=0)
    placeholder_image: str = ""
    registry_config: str = ""
    gateway_namespace: str = "cloudmgr"
    gateway_labels: dict[str, str] = Field(
        default_factory=lambda: {"app.kubernetes.io/name": "cloudmgr"}
    )
    gateway_cidrs: tuple[str, ...] = ()
    prometheus_url: str = ""
    prometheus_token_file: str = ""
    prometheus_ca_file: str = ""

    @field_validator("registry_config")
    @classmethod
    def _names_registries(cls, path: str) -> str:
        message = "it is no readable file with the credentials of registries under auths"
        try:
            found = json.loads(Path(path).read_bytes())["auths"] if path else True
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(message) from error
        if not found:
            raise ValueError(message)
        return path

    @field_validator("prefix")
    @classmethod
    def _names_a_namespace(cls, prefix: str) -> str:
        if not _PREFIX.fullmatch(prefix):
            message = "a prefix has lower-case letters, digits and -, at most 16, a letter first"
            raise ValueError(message)
        return prefix

    @field_validator("prometheus_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not _URL.fullmatch(url):
            message = "the address of a Prometheus is as in https://prometheus.example:9090"
            raise ValueError(message)
        return url.rstrip("/")

    @classmethod
    def parse(cls, settings: Mapping[str, object]) -> Self:
        """Read a pool's ``settings``.

        :raises Invalid: ``invalid-pool-settings``, with every fault and its path.
        """
        return parsed_settings(cls, settings, "a Kubernetes pool")
