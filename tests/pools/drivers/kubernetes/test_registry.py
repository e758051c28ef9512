"""Images from a registry that wants to know who asks."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.pools.drivers.kubernetes.names import namespace_of
from cloudmgr.pools.drivers.kubernetes.settings import KubernetesSettings
from tests.pools.grounds import observed, settled, workload

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pools.kubernetes_ground import KubernetesGround


def config(tmp_path: Path, password: str) -> Path:
    path = tmp_path / "config.json"
    auth = base64.b64encode(f"city:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {"registry.gov": {"auth": auth}}}))
    return path


@pytest.mark.kubernetes
def test_pods_fetch_their_images_with_the_credentials_of_the_pool(
    ground: KubernetesGround, tmp_path: Path
) -> None:
    wanted = workload(ground.web())
    namespace = namespace_of(ground.prefix, wanted.environment_id)

    def credentials(api: Any) -> Any:
        secret = api.get(f"/api/v1/namespaces/{namespace}/secrets/registry").json()
        return json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))

    for password in ("first", "second"):
        path = config(tmp_path, password)
        driver = ground.make(registry_config=str(path))
        driver.start(lambda _: None)
        if password == "second":
            assert observed(driver).digest == "", "other credentials are to be written"
        driver.apply(wanted)
        assert observed(driver).digest == wanted.digest
        settled(driver, 1)
        with ground.lab.client() as api:
            assert credentials(api) == json.loads(path.read_text())
            (pod,) = api.get(f"/api/v1/namespaces/{namespace}/pods").json()["items"]
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("content", [None, "no JSON", "{}", "[]", '{"auths": {}}'])
def test_a_file_without_credentials_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Invalid) as refused:
        KubernetesSettings.parse({"registry_config": str(path)})
    assert refused.value.problems[0][0] == "registry_config"
