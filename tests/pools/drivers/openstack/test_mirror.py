"""What is known of a cloud, in whatever order its news come."""

from __future__ import annotations

from cloudmgr.pools.drivers.openstack.mirror import Mirror
from cloudmgr.pools.drivers.openstack.seen import Project


def project(number: int) -> Project:
    return Project(f"id-{number}", "t-env_exam", "id-0", "env_exam", "{}", removed=False, ground={})


def test_the_end_of_a_project_is_not_that_of_the_next_one_of_its_environment() -> None:
    """A look tells that the old one has gone before who cleared it says so: then a new one may be
    there already."""
    told: list[str] = []
    mirror = Mirror(told.append)
    mirror.put_project("env_exam", project(1))
    mirror.see_projects([], mirror.begin())
    mirror.put_project("env_exam", project(2))
    mirror.forget_project(project(1))
    assert mirror.project("env_exam") == project(2)
    mirror.forget_project(project(2))
    assert mirror.project("env_exam") is None
    assert set(told) == {"env_exam"}
