"""The key for secrets on Kubernetes: one for all pods, made by whoever installs the chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudmgr.wiring.settings import load
from tests.charts.rendering import environment, objects, of_kind, values
from tests.charts.test_chart import pod, settings

if TYPE_CHECKING:
    import pytest


def test_the_key_for_secrets_is_a_file_of_every_pod_or_of_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = objects(values("everything"))
    for name, deployment in of_kind(made, "Deployment").items():
        file = settings(monkeypatch, environment(made, name)).secrets_key_file
        (volume,) = [v for v in pod(deployment)["volumes"] if v["name"] == "secrets-key"]
        assert volume["secret"] == {
            "secretName": "city-secrets-key",
            "defaultMode": 0o440,
            "items": [{"key": "keys", "path": "secrets.key"}],
        }
        (container,) = pod(deployment)["containers"]
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == "secrets-key"]
        assert mount == {
            "name": "secrets-key",
            "mountPath": "/etc/cloudmgr/secrets",
            "readOnly": True,
        }
        assert str(file) == "/etc/cloudmgr/secrets/secrets.key"
    # Without one the program makes none: each pod would have its own, and lose it with its end.
    monkeypatch.delenv("CLOUDMGR_SECRETS_KEY_FILE")
    without = settings(monkeypatch, environment(objects(values("usual")), "cloudmgr"))
    assert without.secrets_key_file is None
    monkeypatch.setenv("CLOUDMGR_DATABASE_URL", "postgresql://db.example/cloudmgr")
    assert not load().embedded
