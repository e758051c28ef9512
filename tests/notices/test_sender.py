"""Messages through Apprise, to a real web server and a real mail server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from cloudmgr.errors import Invalid
from cloudmgr.notices.message import Message, Tongue, compose, trial
from cloudmgr.notices.notice import Tone
from cloudmgr.notices.sender import Sender, cleared
from tests.notices.servers import hook, post
from tests.notices.stories import EXAM, a_refusal
from tests.ports import free_port

if TYPE_CHECKING:
    import logging

SHANGHAI = ZoneInfo("Asia/Shanghai")
MESSAGE = compose([a_refusal()], Tongue.BOTH, SHANGHAI)


def test_a_webhook_gets_title_text_and_how_it_is_to_be_taken() -> None:
    with hook() as there:
        sender = Sender([there.url("a/path", "mailer:s3cr3t@")])
        (target,) = sender.targets
        assert sender.send(target.id, MESSAGE) is None
    (came,) = there.came
    assert came["title"] == "cloudmgr: 申请被拒绝 / Request refused"
    assert "2026-05-01 08:00" in came["message"]
    assert EXAM.zh in came["message"]
    assert EXAM.en in came["message"]
    assert came["type"] == "failure"
    assert there.paths == ["/a/path"]
    assert there.headers[0]["Authorization"].startswith("Basic ")


def test_mail_goes_to_one_person_as_plain_text_in_the_language_of_its_reader() -> None:
    with post() as there:
        sender = Sender(mail=there.url)
        message = compose([a_refusal()], Tongue.ZH, SHANGHAI)
        assert sender.mail("li.wei@example.gov.cn", message) is None
    ((to, mail),) = there.came
    assert to == ("li.wei@example.gov.cn",)
    assert mail["Subject"] == "cloudmgr: 申请被拒绝"
    assert "cloudmgr@example.gov.cn" in mail["From"]
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    assert EXAM.zh in text
    assert EXAM.en not in text


def test_what_is_refused_is_told_with_its_reason() -> None:
    with hook(status=404) as there:
        sender = Sender([there.url()])
        failure = sender.send(sender.targets[0].id, MESSAGE)
    assert failure is not None
    assert "404" in failure
    with post() as there_too:
        there_too.refuses.add("gone@example.gov.cn")
        mailing = Sender(mail=there_too.url)
        assert mailing.mail("gone@example.gov.cn", MESSAGE) is not None
        assert mailing.mail("li.wei@example.gov.cn", MESSAGE) is None


def test_nobody_there_is_a_failure_too() -> None:
    sender = Sender(
        [f"json://127.0.0.1:{free_port()}/x"], f"mailto://127.0.0.1:{free_port()}?from=a@b.cn"
    )
    assert sender.send(sender.targets[0].id, MESSAGE) is not None
    assert sender.mail("li.wei@example.gov.cn", MESSAGE) is not None


def test_secrets_are_neither_shown_nor_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    with hook(status=500) as there:
        sender = Sender(
            [
                there.url("hooks/T0KENINPATH?+X-Key=HEADERKEY", "mailer:PASSWORDS@"),
                "wecombot://THISISTHEKEYOFABOT",
            ]
        )
        web, bot = sender.targets
        told = [sender.send(web.id, MESSAGE) or "", web.id, web.shown, bot.id, bot.shown]
    seen = " ".join([*told, *_lines(caplog.records), *capsys.readouterr()])
    for secret in ("T0KENINPATH", "HEADERKEY", "PASSWORDS", "THISISTHEKEYOFABOT"):
        assert secret not in seen
    assert f"127.0.0.1:{there.port}" in web.shown
    assert "500" in told[0]


def test_a_reason_is_cleared_of_all_but_the_host() -> None:
    address = "json://me:pass%20word@hooks.example/T0KEN?+Key=SECRET"
    said = "hooks.example refused pass word, T0KEN and SECRET\nof me"
    assert cleared(said, address, host_is_open=True) == (
        "hooks.example refused ****, **** and **** of me"
    )
    assert "BOTKEY" not in cleared("no BOTKEY", "wecombot://BOTKEY", host_is_open=False)


def test_targets_keep_their_names_and_two_alike_are_told_apart() -> None:
    urls = ["json://a.example/one", "json://a.example/two", "json://b.example"]
    first, second, third = Sender(urls).targets
    assert len({first.id, second.id, third.id}) == 3
    assert (first.shown, second.shown) == ("JSON a.example", "JSON a.example (2)")
    assert Sender([urls[2], urls[0]]).targets == (third, first)
    assert Sender(urls).knows(first.id)
    assert not Sender([]).knows(first.id)


@pytest.mark.parametrize(
    ("targets", "mail", "path"),
    [
        (["json://a.example", "nonsense://SECRET"], "", "CLOUDMGR_NOTICE_TARGETS.1"),
        (["SECRET"], "", "CLOUDMGR_NOTICE_TARGETS.0"),
        (["json://"], "", "CLOUDMGR_NOTICE_TARGETS.0"),
        ([], "json://SECRET", "CLOUDMGR_NOTICE_MAIL"),
        ([], "mailto://127.0.0.1", "CLOUDMGR_NOTICE_MAIL"),
    ],
)
def test_what_is_no_target_is_named_by_its_place_and_not_repeated(
    targets: list[str], mail: str, path: str
) -> None:
    with pytest.raises(Invalid) as refused:
        Sender(targets, mail)
    assert [where for where, _ in refused.value.problems] == [path]
    assert "SECRET" not in refused.value.message


def test_several_go_as_one_message_with_the_worst_of_their_tones() -> None:
    told = [a_refusal(request_id=f"req_{n}") for n in range(3)]
    message = compose(told, Tongue.EN, SHANGHAI)
    assert message.title == "cloudmgr: 3 notices"
    assert message.body.count(EXAM.en) == 3
    assert EXAM.zh not in message.body
    assert message.tone is Tone.BAD


def test_a_trial_says_that_it_is_one() -> None:
    assert trial(Tongue.BOTH) == Message(
        "cloudmgr: 测试通知 / Test notice",
        "这是一条测试通知：收到即表示通知可以送达。\n"
        "This is a test: whoever reads it can be told of what happens.",
        Tone.PLAIN,
    )


def _lines(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records]
