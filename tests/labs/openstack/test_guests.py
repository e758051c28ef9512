"""What a guest of the OpenStack lab reads as a real one would; needs no lab."""

from __future__ import annotations

import base64
import subprocess
import sys
from http.client import RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
import yaml

from tests.conftest import free_port
from tests.labs.openstack.inside.guests import MARK, Guest, read_environment
from tests.pools.grounds import fetch
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = """
import sys
from pathlib import Path
from tests.labs.openstack.inside.guests import Guest
Guest(Path(sys.argv[1]), print).start("127.0.0.1")
"""


@pytest.fixture
def ended() -> list[Guest]:
    """Guests that went down by themselves."""
    return []


@pytest.fixture
def guest(tmp_path: Path, ended: list[Guest]) -> Iterator[Guest]:
    place = tmp_path / "guest"
    Guest.define(place, uuid="a", program="web")
    guest = Guest(place, ended.append)
    yield guest
    guest.end()


def _told(*files: dict[str, str]) -> str:
    text = "#cloud-config\n" + yaml.safe_dump({"write_files": list(files)})
    return base64.b64encode(text.encode()).decode()


def _listen(guest: Guest) -> int:
    """It is on, with a program that listens at this port."""
    port = free_port()
    content = f'PORT="{port}"\n'
    guest.provision(_told({"path": "/etc/cloudmgr/environment", "content": content}))
    guest.start("127.0.0.1")
    until(lambda: "listening" in guest.console.read_text(), what="a program that listens")
    return port


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('A="plain"', "plain"),
        ('A="a \\"b\\" \\\\ \\$c \\`d\\`"', 'a "b" \\ $c `d`'),
        ('A="two\nlines"', "two\nlines"),
        ('A="joined \\\nlines"', "joined lines"),
        ('A="\\n stays"', "\\n stays"),
        ('# of a city\n\n ; too\nA=""', ""),
        ('A="last"\nB="x"', "last"),
    ],
)
def test_an_environment_file_is_read_as_systemd_reads_it(text: str, value: str) -> None:
    assert read_environment(text + "\n")["A"] == value
    assert read_environment(text)["A"] == value


@pytest.mark.parametrize("text", ["A=b", "A='b'", 'A="b', 'A="b" c', '1A="b"', 'export A="b"'])
def test_what_nothing_of_ours_writes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an assignment"):
        read_environment(text)


def test_a_program_that_ends_takes_its_guest_down(guest: Guest, ended: list[Guest]) -> None:
    port = _listen(guest)
    with pytest.raises(RemoteDisconnected):
        fetch("127.0.0.1", port, "/exit?7")
    until(lambda: ended == [guest], what="a guest that ended")
    assert guest.state == "off"
    assert guest.console.read_text() == "listening\nprogram ended with 7\n"


def test_nothing_goes_on_when_the_power_is_gone(guest: Guest, ended: list[Guest]) -> None:
    port = _listen(guest)
    fetch("127.0.0.1", port, "/fork")
    fetch("127.0.0.1", port, "/fork")
    guest.end(grace=10)
    assert ended == []
    left = [each.info["environ"] for each in psutil.process_iter(["environ"])]
    assert all(environ.get(MARK) != str(guest.place) for environ in left if environ)


def test_a_guest_outlives_who_started_it_and_is_taken_over(
    guest: Guest, ended: list[Guest]
) -> None:
    port = free_port()
    content = f'PORT="{port}"\n'
    guest.provision(_told({"path": "/etc/cloudmgr/environment", "content": content}))
    starter = [sys.executable, "-c", _START, str(guest.place)]
    subprocess.run(starter, cwd=Path(__file__).parents[3], check=True)
    until(lambda: "listening" in guest.console.read_text(), what="a program that listens")
    again = Guest(guest.place, ended.append)
    assert again.state == "on"
    with pytest.raises(RemoteDisconnected):
        fetch("127.0.0.1", port, "/exit?7")
    until(lambda: ended == [again], what="a guest that ended")
    assert guest.console.read_text() == "listening\nprogram ended\n"


def test_files_are_written_on_the_first_boot_of_an_instance_and_no_other(guest: Guest) -> None:
    there = guest.root / "etc" / "motto"
    guest.provision(_told({"path": "/etc/motto", "content": "first"}))
    guest.provision(_told({"path": "/etc/motto", "content": "second"}))
    assert there.read_text() == "first"
    Guest.define(guest.place, uuid="b", program="web")
    another = Guest(guest.place, lambda _: None)
    another.provision(_told({"path": "/etc/motto", "content": "c2Vjb25k", "encoding": "b64"}))
    assert there.read_text() == "second"


def test_user_data_that_is_not_understood_is_said_on_the_console(guest: Guest) -> None:
    guest.provision(base64.b64encode(b"#!/bin/sh\n").decode())
    assert "user data is no #cloud-config" in guest.console.read_text()


def test_an_environment_file_that_is_not_understood_ends_the_guest(
    guest: Guest, ended: list[Guest]
) -> None:
    guest.provision(_told({"path": "/etc/cloudmgr/environment", "content": "A=b\n"}))
    guest.start("127.0.0.1")
    until(lambda: ended == [guest], what="a guest that ended")
    assert "not an assignment in double quotes: A=b" in guest.console.read_text()


def test_a_disk_is_packed_and_unpacked(guest: Guest, tmp_path: Path) -> None:
    guest.provision(_told({"path": "/srv/notes", "content": "kept"}))
    Guest.define(tmp_path / "other", uuid="a", program="web")
    other = Guest(tmp_path / "other", lambda _: None)
    other.unpack(guest.pack())
    assert (other.root / "srv" / "notes").read_text() == "kept"
