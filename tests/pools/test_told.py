"""The contract of drivers goes on: files, secrets and the services of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloudmgr.errors import Permanent
from cloudmgr.pools.drivers.driver import SecretValue, SharedService
from tests.pools.grounds import observed, settled, workload
from tests.waiting import until

if TYPE_CHECKING:
    from cloudmgr.pools.drivers.driver import Workload
    from tests.pools.grounds import Ground


def test_a_replica_is_told_its_files_its_secrets_and_the_services_of_others(
    ground: Ground,
) -> None:
    wanted = workload(
        ground.web(
            files={"app.ini": "名=考试\n", "conf.d/more.ini": "x = 1"},
            secrets={"DB_PASSWORD": SecretValue("r1", "s3cret = ä'\"$")},
            services=(SharedService("city-sso", 443, "sso.city.example", ("192.0.2.0/28",)),),
            variables={"CITY_SSO_HOST": "elsewhere", "DB_PASSWORD": "none"},
        )
    )
    ground.driver.apply(wanted)
    (replica,) = settled(ground.driver, 1)

    said = ground.get(replica)[1].splitlines()
    assert "DB_PASSWORD=s3cret = ä'\"$" in said
    assert "CITY_SSO_HOST=sso.city.example" in said
    assert "CITY_SSO_PORT=443" in said
    assert ground.get(replica, "/read?app.ini") == (200, "名=考试\n")
    assert ground.get(replica, "/read?conf.d/more.ini") == (200, "x = 1")
    assert observed(ground.driver).digest == wanted.digest


def test_another_value_of_a_secret_and_another_text_replace_the_replica(ground: Ground) -> None:
    def web(**changes: Any) -> Workload:
        return workload(ground.web(**changes))

    first = {"KEY": SecretValue("r1", "one")}
    ground.driver.apply(web(secrets=first, files={"a": "1"}))
    (before,) = settled(ground.driver, 1)

    ground.driver.apply(web(secrets={"KEY": SecretValue("r2", "two")}, files={"a": "1"}))
    until(lambda: before.id not in {r.id for r in observed(ground.driver).replicas})
    (after,) = settled(ground.driver, 1)
    assert "KEY=two" in ground.get(after)[1].splitlines()

    ground.driver.apply(web(files={"a": "2"}))
    until(lambda: after.id not in {r.id for r in observed(ground.driver).replicas})
    (last,) = settled(ground.driver, 1)
    assert "KEY=" not in ground.get(last)[1]
    assert ground.get(last, "/read?a") == (200, "2")


def test_a_replica_that_dies_has_its_secrets_again(ground: Ground) -> None:
    ground.driver.apply(workload(ground.web(secrets={"KEY": SecretValue("r1", "one")})))
    (replica,) = settled(ground.driver, 1)
    ground.driver.close()
    driver = ground.another()
    with pytest.raises(ConnectionError):
        ground.get(replica, "/exit?7")
    until(lambda: any(r.restarts for r in observed(driver).replicas))
    (again,) = settled(driver, 1)
    assert "KEY=one" in ground.get(again)[1].splitlines()


def test_what_is_seen_of_a_pool_tells_no_secret(ground: Ground) -> None:
    wanted = workload(ground.web(secrets={"KEY": SecretValue("r1", "do not tell")}))
    ground.driver.apply(wanted)
    settled(ground.driver, 1)
    seen = [*ground.driver.observe_all(), *ground.driver.allocations()]
    assert "do not tell" not in f"{seen} {wanted}"


@pytest.mark.parametrize("path", ["../up", "a/../../up", "/../up", "a//b", "", "."])
def test_a_file_lies_nowhere_else(ground: Ground, path: str) -> None:
    with pytest.raises(Permanent) as refused:
        ground.driver.apply(workload(ground.web(files={path: "x"})))
    assert (refused.value.code, refused.value.path) == ("invalid-workload", "components[0].files")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", {"/etc/app.ini": "x"}),
        ("services", (SharedService("forms", 80, environment_id="env_x", component="api"),)),
    ],
)
def test_what_only_a_pool_of_images_can_do_is_refused_by_others(
    ground: Ground, field: str, value: object
) -> None:
    wanted = workload(component := ground.web(**{field: value}))
    if component.image and (field == "files" or ground.names_services):
        ground.driver.apply(wanted)
        assert observed(ground.driver).digest == wanted.digest
        return
    with pytest.raises(Permanent) as refused:
        ground.driver.apply(wanted)
    assert (refused.value.code, refused.value.path) == ("unsupported", f"components[0].{field}")
