"""The SMPP adapter against a centre in another process, and its bytes against published PDUs."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.contact.channels.peers import free_port, wait_for
from tideover.contact.channels import smpp_receipts as receipts
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import DeliveryState, Outgoing, SendState
from tideover.contact.channels.smpp import Smpp
from tideover.contact.channels.text import NotFit, parts, signed
from tideover.sandbox import smsc

SHARED = Path(os.environ.get("TIDEOVER_SHARED", "../shared"))
CHINA = ZoneInfo("Asia/Shanghai")


def adapter(port: int, more: str = "", password: str = "secret08") -> Smpp:
    address = f"smpp://test:{password}@127.0.0.1:{port}?source=LEND&timeout=1{more}"
    return Smpp(GatewayAddress.read(address, setting="TIDEOVER_SMS"))


def reports(a: Smpp, count: int, seconds: float = 5.0) -> list:
    got: list = []

    def enough() -> bool:
        got.extend(a.reports())
        return len(got) >= count

    wait_for(enough, seconds)
    return got


def test_a_message_is_sent_signed_and_its_receipt_comes(peer, message) -> None:
    centre = peer("smsc")
    a = adapter(centre.port)
    result = a.send(message(7))
    assert result.state is SendState.ACCEPTED
    (report,) = reports(a, 1)
    assert (report.state, report.provider_id, report.to, report.reference) == (
        DeliveryState.DELIVERED,
        result.provider_id,
        "+8613800000001",
        7,
    )
    assert abs((report.at - datetime.now(UTC)).total_seconds()) < 120
    (line,) = centre.lines()
    assert (line["to"], line["text"]) == ("8613800000001", "【示例贷款】您有一条新消息，请登录查看。7")
    a.close()


def test_a_long_text_goes_in_parts_and_is_delivered_when_all_parts_are(peer, message) -> None:
    centre = peer("smsc")
    a = adapter(centre.port)
    body = "𠮷" * 40 + "请您在方便的时候登录查看，如有困难请与我们联系，我们会与您一起想办法。" * 3
    result = a.send(message(3, body=body))
    assert result.state is SendState.ACCEPTED
    count = len(result.provider_id.split(","))
    assert count >= 3
    got = reports(a, count)
    assert [r.state for r in got] == [DeliveryState.PENDING] * (count - 1) + [DeliveryState.DELIVERED]
    assert {r.provider_id for r in got} == {result.provider_id}
    (line,) = centre.lines()
    assert line["text"] == f"【示例贷款】{body}3" and line["parts"] == count
    a.close()


@pytest.mark.parametrize(
    ("fault", "state", "received"),
    [
        ("reject", SendState.REFUSED, 0),
        ("throttle", SendState.RETRY, 0),
        ("drop_before", SendState.UNKNOWN, 0),
        ("drop_after", SendState.UNKNOWN, 1),
        ("garbage", SendState.UNKNOWN, 1),
        ("delay", SendState.UNKNOWN, 1),
        ("restart", SendState.UNKNOWN, 0),
    ],
)
def test_each_fault_has_its_answer(peer, message, fault: str, state: SendState, received: int) -> None:
    centre = peer("smsc", "--fault", fault, "--delay", "2")
    a = adapter(centre.port)
    result = a.send(message())
    assert result.state is state, result
    assert len(centre.lines()) == received
    if fault == "throttle":
        assert result.retry_after_s and "0x58" in result.reason
    centre.faults({})

    def again() -> bool:
        return a.send(message(2)).state is SendState.ACCEPTED

    wait_for(again)
    assert centre.lines()[-1]["text"].endswith("2")
    a.close()


def test_nobody_listens_wrong_password_and_a_silent_peer(peer, message) -> None:
    refused = adapter(free_port()).send(message())
    assert (refused.state, refused.reason.startswith("lost:")) == (SendState.RETRY, True)
    centre = peer("smsc")
    wrong = adapter(centre.port, password="other").send(message())
    assert (wrong.state, wrong.reason) == (SendState.RETRY, "bind:0x0e")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        assert adapter(deaf.getsockname()[1]).send(message()).state is SendState.RETRY


def test_a_receipt_before_the_response_twice_and_after_a_lost_response(peer, message) -> None:
    centre = peer("smsc", "--fault", "receipt_first", "--fault", "receipt_twice")
    a = adapter(centre.port)
    result = a.send(message(5))
    got = reports(a, 2)
    assert [(r.provider_id, r.state) for r in got] == [(result.provider_id, DeliveryState.DELIVERED)] * 2
    centre.faults({"drop_after": 1})
    assert a.send(message(6)).state is SendState.UNKNOWN
    centre.faults({})
    (late,) = reports(a, 1)
    assert (late.reference, late.to, late.state) == (6, "+8613800000001", DeliveryState.DELIVERED)
    a.close()


def test_a_receipt_that_was_not_taken_comes_again_to_the_next_worker(peer, message) -> None:
    centre = peer("smsc")
    a = adapter(centre.port)
    a.send(message())
    time.sleep(0.2)
    first = next(iter(a.reports()))
    a._lost()  # as kill -9 between the report and its transaction
    b = adapter(centre.port)
    (second,) = reports(b, 1)
    assert first.provider_id == second.provider_id
    time.sleep(0.1)
    assert list(b.reports()) == []
    b.close()


@pytest.mark.parametrize(("ids", "more"), [("hex-dec", []), ("hex-dec", ["--no-tlvs"]), ("dec-hex", ["--no-tlvs", "--seconds"])])
def test_ids_hexadecimal_in_one_place_and_decimal_in_the_other(peer, message, ids: str, more: list[str]) -> None:
    centre = peer("smsc", "--ids", ids, *more)
    a = adapter(centre.port, f"&ids={ids}")
    result = a.send(message())
    (report,) = reports(a, 1)
    assert report.provider_id == result.provider_id != ""
    answer = a.inquire(message(), result.provider_id, datetime.now(UTC))
    assert answer is not None and answer.state is DeliveryState.DELIVERED
    a.close()


def test_inquiry_settles_what_no_receipt_reports(peer, message) -> None:
    centre = peer("smsc", "--fault", "receipt_never", "--fault", "fail")
    a = adapter(centre.port)
    result = a.send(message())
    time.sleep(0.2)
    answer = a.inquire(message(), result.provider_id, datetime.now(UTC))
    assert answer is not None and (answer.state, answer.key) == (DeliveryState.FAILED, "m1")
    assert a.inquire(message(), "9999", datetime.now(UTC)) is None, "an id that the centre forgot says nothing"
    assert a.inquire(message(), "", datetime.now(UTC)) is None
    a.close()


def test_what_people_write_arrives_once_it_is_taken(peer, message) -> None:
    centre = peer("smsc")
    a = adapter(centre.port)
    a.send(message())
    centre.say(**{"from": "8613800000001", "text": "退订"})
    got: list = []

    def came() -> bool:
        got.extend(a.inbound())
        return bool(got)

    wait_for(came)
    assert [(i.sender, i.text) for i in got] == [("+8613800000001", "退订")]
    assert len(reports(a, 1)) == 1
    a.close()


def test_the_published_pdus_read_and_written() -> None:
    path = SHARED / "formats/samples/smpp_pdus.json"
    if not path.exists():
        pytest.skip("published PDUs not here")
    pdus = {name: bytes.fromhex(text) for name, text in json.loads(path.read_text()).items()}
    assert smsc.submit_read(pdus["submit_sm_ucs2_receipt"][16:])["message"].decode("utf-16-be") == "【示例】验证码123456"
    heard: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def centre() -> None:
        connection, _ = server.accept()
        heard.append(connection.recv(4096))
        connection.sendall(pdus["bind_transceiver_resp"])
        heard.append(connection.recv(4096))
        connection.sendall(pdus["enquire_link"] + pdus["deliver_sm_receipt"] + pdus["submit_sm_resp"])
        for _ in range(2):
            heard.append(connection.recv(16))
        heard.append(connection.recv(4096))

    thread = threading.Thread(target=centre)
    thread.start()
    a = adapter(server.getsockname()[1], "&reference=no&timeout=3", "secret")
    result = a.send(Outgoing(1, "k", "+8613800000000", "", "验证码123456", "zh-hans", "", {}, "示例"))
    assert (result.state, result.provider_id) == (SendState.ACCEPTED, "00000001")
    (report,) = list(a.reports())
    assert (report.state, report.provider_id) == (DeliveryState.DELIVERED, "00000001")
    assert report.at == datetime(2025, 1, 1, 10, 1, tzinfo=CHINA)
    thread.join(5)
    assert heard[0] == pdus["bind_transceiver"]
    assert heard[1] == pdus["submit_sm_ucs2_receipt"], "the adapter's bytes are the published ones"
    assert heard[2] == pdus["enquire_link_resp"]
    assert heard[3][:16] == pdus["deliver_sm_resp"][:16] and len(pdus["deliver_sm_resp"]) == 17
    server.close()


@pytest.mark.parametrize(
    ("text", "state", "at"),
    [
        ("id:1 sub:001 dlvrd:001 submit date:2501011000 done date:2501011001 stat:DELIVRD err:000 text:x", "delivered", 1001),
        ("id:1 sub:001 dlvrd:000 submit date:250101100000 done date:250101100130 stat:UNDELIV err:027 text:", "failed", 1001),
        ("id:1 done date:nonsense stat:ACCEPTD err:000", "pending", None),
        ("id:1 stat:EXPIRED", "failed", None),
        ("id:1 stat:REJECTD", "failed", None),
        ("id:1 stat:UNKNOWN", "pending", None),
        ("id:1 STAT:deletEd", "failed", None),
        ("id:1 stat:INVENTED", "pending", None),
    ],
)
def test_receipts_in_every_dialect(text: str, state: str, at: int | None) -> None:
    r = receipts.read(text, "", None, ids="same", zone=CHINA)
    assert (r.message_id, r.state) == ("1", state)
    assert (r.at is None) is (at is None)
    assert receipts.is_receipt(0, text)


def test_an_empty_receipt_text_is_read_from_its_parameters() -> None:
    r = receipts.read("", "0A", 5, ids="hex-dec", zone=CHINA)
    assert (r.message_id, r.state, r.reason) == ("10", DeliveryState.FAILED, "state:5")


def test_no_text_leaves_unsigned_with_an_amount_or_with_a_telling_link(message) -> None:
    assert signed(message(body="【甲】您好")) == "【甲】您好1"
    for body, more in (
        ("欠款¥1,200", {}),
        ("应还1200元", {}),
        ("见https://x.cn/l?id=3", {}),
        ("见https://x.cn/13800000000", {}),
        ("您好", {"sign_name": ""}),
        ("很长" * 400, {}),
    ):
        with pytest.raises(NotFit):
            signed(message(body=body, **more))
    signed(message(body="请登录 https://tideover.example/ 查看，或致电 400-000-0000。"))


def test_parts_never_split_a_character() -> None:
    assert parts("a" * 70) == ["a" * 70]
    assert [len(p) for p in parts("a" * 71)] == [67, 4]
    cut = parts("a" * 66 + "𠮷" * 10)
    assert cut[0] == "a" * 66 and "".join(cut) == "a" * 66 + "𠮷" * 10
