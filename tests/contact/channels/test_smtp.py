"""Mail against a server in another process, and what comes back, read."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from tests.contact.channels.peers import free_port, wait_for
from tideover.contact.channels import mail_parse
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, SendState
from tideover.contact.channels.smtp import Smtp
from tideover.sandbox.mail_server import delivery_report

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)


def adapter(port: int, more: str = "") -> Smtp:
    sender = quote("示例贷款 <no-reply@lender.example>")
    return Smtp(GatewayAddress.read(f"smtp://127.0.0.1:{port}?from={sender}&tls=no&timeout=2{more}", setting="TIDEOVER_EMAIL"))


@pytest.fixture
def mail(message):
    return lambda n=1, **more: message(n, **{"to": "ann@example.com", "key": f"due:{n}", **more})


def test_a_mail_is_sent_and_its_report_comes_back(peer, mail, tmp_path) -> None:
    server = peer("mail_server", "--bounces", str(tmp_path / "returned"))
    a = adapter(server.port, f"&bounces={tmp_path / 'returned'}")
    assert a.send(mail(1)).state is SendState.ACCEPTED
    assert a.send(mail(2)).state is SendState.ACCEPTED, "over the same connection"
    got: list = []

    def both() -> bool:
        got.extend(a.reports())
        return len(got) == 2

    wait_for(both)
    assert {(r.key, r.state, r.to) for r in got} == {(f"due:{n}", DeliveryState.DELIVERED, "ann@example.com") for n in (1, 2)}
    assert list(a.reports()) == [], "a report is taken once"
    assert [line["text"] for line in server.lines()] == [f"Tideover 您有一条新消息，请登录查看。{n}" for n in (1, 2)]
    assert server.lines()[0]["id"] == "<due+3A1@lender.example>"
    a.close()


@pytest.mark.parametrize(
    ("fault", "state", "received"),
    [
        ("reject", SendState.REFUSED, 0),
        ("throttle", SendState.RETRY, 0),
        ("drop_before", SendState.RETRY, 0),
        ("restart", SendState.RETRY, 0),
        ("drop_after", SendState.UNKNOWN, 1),
        ("garbage", SendState.UNKNOWN, 1),
        ("delay", SendState.UNKNOWN, 1),
    ],
)
def test_each_fault_has_its_answer(peer, mail, fault: str, state: SendState, received: int) -> None:
    server = peer("mail_server", "--fault", fault, "--delay", "3")
    a = adapter(server.port)
    result = a.send(mail())
    assert result.state is state, result
    assert len(server.lines()) == received
    server.faults({})
    wait_for(lambda: a.send(mail(2)).state is SendState.ACCEPTED, 8)
    a.close()


def test_a_connection_that_died_unseen_is_made_again(peer, mail) -> None:
    server = peer("mail_server")
    a = adapter(server.port)
    assert a.send(mail(1)).state is SendState.ACCEPTED
    server.kill()
    server.start()
    assert a.send(mail(2)).state is SendState.ACCEPTED
    a.close()


def test_nobody_listens_and_bad_addresses(mail) -> None:
    a = adapter(free_port())
    assert a.send(mail()).state is SendState.RETRY
    for to in ("ann", "ann@x.com\nBcc: all@x.com", ""):
        assert a.send(mail(to=to)).reason == "address_invalid"
    with pytest.raises(ValueError, match="from"):
        Smtp(GatewayAddress.read("smtp://h?from=nobody", setting="TIDEOVER_EMAIL"))


def test_a_line_break_in_a_subject_makes_no_header(peer, mail) -> None:
    server = peer("mail_server")
    a = adapter(server.port)
    result = a.send(mail(subject="a\nBcc: all@x.com"))
    assert (result.state, result.reason) == (SendState.REFUSED, "header_invalid")
    assert not server.lines()
    a.close()


def test_mail_says_how_to_leave_it(mail, settings) -> None:
    settings.SITE_URL = "https://tideover.example"
    text = adapter(1)._mail(mail()).decode()
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in text and "https://tideover.example/unsubscribe/" in text
    assert "ann@" not in text.split("List-Unsubscribe:")[1].split("List-Unsubscribe-Post")[0], "the address is encrypted"


def test_reports_are_known_by_their_envelope_or_by_the_returned_mail() -> None:
    for envelope in ("due+3A7", ""):
        reports, people = mail_parse.read(delivery_report(envelope, "<due+3A7@lender.example>", "ann@example.com", False), NOW)
        (r,) = reports
        assert (r.key, r.state, r.reason, people) == ("due:7", DeliveryState.FAILED, "failed 5.1.1", [])
    late = delivery_report("due+3A7", "", "ann@example.com", False).replace(b"Action: failed", b"Action: delayed")
    assert mail_parse.read(late, NOW)[0][0].state is DeliveryState.PENDING


def test_what_people_write_is_read_without_what_they_quote() -> None:
    raw = """From: Ann <Ann@Example.com>\nSubject: Re: x\nMessage-ID: <1@x>\nContent-Type: text/plain; charset=utf-8\n
退订\n\n在 2026年11月25日，示例贷款写道：\n> 您有一条新消息""".encode()
    ((reports), (one,)) = mail_parse.read(raw, NOW)
    assert (reports, one.sender, one.text) == ([], "ann@example.com", "退订")
    assert mail_parse.read(raw, NOW)[1][0].provider_id == one.provider_id
    away = raw.replace(b"Subject:", b"Auto-Submitted: auto-replied\nSubject:")
    assert mail_parse.read(away, NOW) == ([], []), "an absence note is nobody's answer"


def test_a_complaint_is_a_stop() -> None:
    raw = b"""From: fbl@isp.example\nMIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=cut

--cut\nContent-Type: text/plain\n\ncomplaint\n--cut\nContent-Type: message/feedback-report\n
Feedback-Type: abuse\nOriginal-Rcpt-To: <Ann@example.com>\n
--cut\nContent-Type: message/rfc822\n\nMessage-ID: <due+3A7@lender.example>\nTo: ann@example.com\n\nhello\n--cut--\n"""
    _, (one,) = mail_parse.read(raw, NOW)
    assert (one.sender, one.text) == ("ann@example.com", "STOP")


@pytest.mark.parametrize("raw", [b"", b"\x00\xff", b"Content-Type: multipart/report; report-type=delivery-status\n\nnothing"])
def test_noise_says_nothing(raw: bytes) -> None:
    assert mail_parse.read(raw, NOW) == ([], [])


def test_bounces_that_are_no_maildir_are_said_so_at_once(tmp_path) -> None:
    with pytest.raises(ValueError, match="no Maildir"):
        adapter(1, f"&bounces={tmp_path}")
