from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cloudmgr.errors import CloudmgrError, Permanent, Temporary
from cloudmgr.hosting.workload import failed
from cloudmgr.identity.user import Locale
from cloudmgr.portal import words
from cloudmgr.portal.language import translations
from cloudmgr.portal.sentences import SENTENCES, translated
from tests.builders import CREATED, an_environment
from tests.portal.browsing import browser
from tests.portal.messages import extracted, kept

if TYPE_CHECKING:
    from tests.api.city import City

_HOLE = re.compile(r"%\((\w+)\)s")


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def test_every_message_has_its_chinese() -> None:
    catalogue = kept()
    for message in extracted():
        if message.id:
            found = catalogue.get(message.id, message.context)
            assert found is not None, f"{message.id!r}: run python -m tests.portal.messages"
            assert all(_texts(found.string)), f"{message.id!r} lacks its Chinese"


def test_a_translation_quotes_nothing_that_the_message_does_not() -> None:
    for message in kept():
        if message.id:
            there = {hole for text in _texts(message.id) for hole in _HOLE.findall(text)}
            for text in _texts(message.string):
                assert set(_HOLE.findall(text)) <= there, message.id


def test_the_catalogue_holds_no_message_that_is_gone() -> None:
    there = {str(message.id) for message in extracted()}
    assert [m.id for m in kept() if m.id and str(m.id) not in there] == []


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_of_the_domain_is_found_again_with_what_it_quotes(sentence: str) -> None:
    holes = _HOLE.findall(sentence)
    said = sentence % {name: f"‹{name}›" for name in holes}
    chinese = translated(said, translations(Locale.ZH_CN).gettext)
    assert chinese != said
    for name in holes:
        assert f"‹{name}›" in chinese or f"%({name})s" not in chinese


@pytest.mark.parametrize(
    "error",
    [
        Permanent("no", code="no-driver"),
        Permanent("no", code="pool-refuses"),
        Temporary("not now", code="pool-busy"),
        Temporary("nobody answers", code="pool-unreachable"),
    ],
)
def test_whatever_a_pool_fails_with_there_is_a_sentence_for_it(error: CloudmgrError) -> None:
    for said in failed(an_environment(), error, CREATED).conditions:
        assert said.reason in words._CONDITIONS


def test_a_sentence_that_nobody_knows_is_shown_as_it_is() -> None:
    gettext = translations(Locale.ZH_CN).gettext
    assert translated("the moon is made of cheese", gettext) == "the moon is made of cheese"
    joined = translated("say why; the moon; the window is over already", gettext)
    assert joined == "请说明原因; the moon; 该高峰期已经过去"


def test_a_sentence_with_a_semicolon_is_known_among_others() -> None:
    said = (
        "web: finds no room for 2 replicas with 1 CPU and 128 MiB; "
        "they start by themselves once there is some; say why"
    )
    chinese = translated(said, translations(Locale.ZH_CN).gettext)
    assert chinese == "web：没有空间再放 2 个副本（1 核、128 MiB）；一有空间即自动启动; 请说明原因"


def test_chinese_comes_first_and_english_where_it_is_asked_for(seen_city: City) -> None:
    def language(**headers: str) -> str:
        client = browser(seen_city, **headers)
        client.cookies.clear()
        found = re.search('<html lang="([^"]+)"', client.get("/sign-in").text)
        assert found is not None
        return found[1]

    assert language(**{"Accept-Language": ""}) == "zh-CN"
    assert language(**{"Accept-Language": "fr"}) == "zh-CN"
    assert language(**{"Accept-Language": "fr, en;q=0.8, zh;q=0.3"}) == "en"
    assert language(**{"Accept-Language": "zh-TW, en;q=0.9"}) == "zh-CN"
    assert language(**{"Accept-Language": "en;q=x, ;;, zh"}) == "zh-CN"


def test_the_switch_in_the_footer_is_kept_and_beats_the_persons_own_language(city: City) -> None:
    client = browser(city, "officer")
    client.cookies.delete("cloudmgr_language")
    assert "您好" in client.get("/").text
    answer = client.post("/language", data={"language": "en", "next": "/systems?sort=code"})
    assert answer.headers["Location"] == "/systems?sort=code"
    assert "Good day" in client.get("/").text
    assert client.post("/language", data={"language": "xx"}).headers["Location"] == "/"
    assert "Good day" in client.get("/").text
