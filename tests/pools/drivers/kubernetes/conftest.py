"""The ground of these tests is a Kubernetes pool, not one of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pools.kubernetes_ground import KubernetesGround


@pytest.fixture
def ground(kubernetes: KubernetesGround) -> KubernetesGround:
    return kubernetes
