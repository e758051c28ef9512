"""Which of a cluster's cAdvisor series are of which pod. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudmgr.pools.drivers.besides import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings

# A container's cgroup lies below its pod's, which is named by the pod's uid: with dashes where the
# kubelet makes cgroups itself, with underscores where systemd does.
_POD = re.compile(r"pod([0-9a-f]{8}([-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?![0-9a-f])")


def measurement(settings: KubernetesSettings) -> Measurement | None:
    """None where no Prometheus is configured."""
    if not settings.prometheus_url:
        return None
    # cAdvisor also tells of each pod as a whole, and of the pause container that holds its network:
    # the one has no container's name, the other has POD. What is left counts each container once.
    ours = f'namespace=~"{settings.prefix}-.+",container!="",container!="POD"'
    return Measurement(
        settings.prometheus_url,
        settings.prometheus_token_file,
        settings.prometheus_ca_file,
        ours,
        pod_uid,
    )


def pod_uid(labels: Mapping[str, str]) -> str:
    """The uid of the pod that a series is of, which is what its allocation is called."""
    found = _POD.search(labels.get("id", ""))
    return found[1].replace("_", "-") if found else ""
