"""The language of templates and the rules of content: tables of cases, and the package's own wordings."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tideover.contact.channels.text import parts
from tideover.contact.message_templates import HOME, catalogue_read, pack_of, template_from, template_problems
from tideover.contact.rules.content import Text, content_check, content_read
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.contact.rules.wording import EN, ZH, Setting, formatted, place_faults, places, render
from tideover.contact.rules.words_diff import words_diff
from tideover.contact.zones import zone
from tideover.core.packs.load import pack
from tideover.core.packs.rules.pack import PackError, pack_read

TODAY = date(2026, 11, 25)
SAID = {lang: Setting(lang, TODAY, zone("Asia/Shanghai")) for lang in (ZH, EN)}
RULES = content_read(pack("cn"), TODAY)
US = content_read(pack("us"), TODAY)


@pytest.mark.parametrize(
    ("kind", "value", "zh", "en"),
    [
        ("money", 127363, "¥1,273.63", "¥1,273.63"),
        ("money", -1250, "−¥12.50", "−¥12.50"),
        ("date", date(2026, 12, 12), "12月12日", "12 December"),
        ("date", date(2027, 1, 15), "2027年1月15日", "15 January 2027"),
        ("instant", datetime(2026, 11, 26, 10, 0, tzinfo=UTC), "11月26日 18:00", "18:00 on 26 November"),
        ("instant", datetime(2026, 12, 31, 16, 30, tzinfo=UTC), "2027年1月1日 00:30", "00:30 on 1 January 2027"),
        ("count", 12345, "12,345", "12,345"),
        ("rate", 152000, "年化 15.2%", "15.2% a year"),
        ("name", " 李明 ", "李明", "李明"),
        ("number", "H-2041", "H-2041", "H-2041"),
        ("phone", "400-000-0000", "400-000-0000", "400-000-0000"),
    ],
)
def test_values_are_written_by_type_and_language(kind: str, value: object, zh: str, en: str) -> None:
    assert (formatted(kind, value, SAID[ZH]), formatted(kind, value, SAID[EN])) == (zh, en)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("money", "12.50"), ("money", 12.5), ("money", True), ("date", "2026-12-12"), ("date", datetime(2026, 1, 1, tzinfo=UTC)),
        ("instant", datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)), ("count", -1), ("rate", -5),
        ("text", "see http://evil.example"), ("text", "a\nb"),
        ("text", "{name}"), ("text", "x" * 201), ("name", 5), ("number", "T 1"), ("phone", "call me"), ("text", "www.example.cn"),
    ],
)  # fmt: skip
def test_values_of_another_type_are_refused(kind: str, value: object) -> None:
    with pytest.raises(ValueError):
        formatted(kind, value, SAID[ZH])


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("plain", []), ("{a} of {n|day|days}", []), ("{b}", ["undeclared"]), ("{A}", ["bad_place"]), ("{}", ["bad_place"]),
        ("{a|x|y}", ["bad_place"]), ("{n|day}", ["bad_place"]), ("{n||}", ["bad_place"]), ("a { b", ["bad_place"]),
        ("a } b", ["bad_place"]),
        ("{a.__class__}", ["bad_place"]), ("{a!r}", ["bad_place"]), ("{{a}}", ["bad_place"]), ("{% if a %}", ["bad_place"]),
        ("$a", []),
    ],
)  # fmt: skip
def test_places_are_names_and_nothing_else(text: str, codes: list[str]) -> None:
    assert [f.code for f in place_faults(text, {"a": "text", "n": "count"})] == codes


def test_a_missing_value_gives_no_text_and_names_it() -> None:
    done = render("{a} and {b}", {"a": "text", "b": "money"}, {"a": "x"}, SAID[EN])
    assert done.text == "" and [(f.code, f.name) for f in done.faults] == [("missing", "b")]
    assert render("{n|day|days}", {"n": "count"}, {"n": 1}, SAID[EN]).text == "1 day"
    assert render("{n|day|days}", {"n": "count"}, {"n": 0}, SAID[EN]).text == "0 days"


@given(st.text(), st.text(max_size=20))
def test_no_text_and_no_value_runs_anything_or_leaves_a_place(text: str, value: str) -> None:
    done = render(text, {"a": "text"}, {"a": value}, SAID[ZH])
    assert done.faults or (set(places(text)) <= {"a"} and "{a}" not in done.text)


def broken(body: str, channel: Channel = Channel.APP, language: str = ZH, rules: object = RULES, **more: object) -> set[str]:
    given: dict[str, object] = {"purpose": Purpose.SERVICE, "lender": ("潮银行", "Tide Bank"), **more}
    found = content_check(rules, Text(channel=channel, language=language, body=body, **given))  # type: ignore[arg-type]
    return {f.rule.removeprefix("contact.content.") for f in found}


@pytest.mark.parametrize(
    ("body", "more", "rule"),
    [
        ("这是最后通知", {}, "forbidden.threat"),
        ("这 是 最 后 通 知", {}, "forbidden.threat"),
        ("最\u200b后通知", {}, "forbidden.threat"),
        ("This is the FINAL   notice", {"language": EN}, "forbidden.threat"),
        ("法院传票已发出", {}, "forbidden.impersonation"),
        ("您的欠款人记录", {}, "forbidden.labels"),
        ("罚息 ¥8.69", {}, "forbidden.labels"),
        ("You are in default", {"language": EN}, "forbidden.labels"),
        ("请尽快还款！", {}, "forbidden.shouting"),
        ("Please PAYNOW", {"language": EN}, "forbidden.shouting"),
        ("可以借新还旧，有困难请说", {"purpose": Purpose.COLLECTION}, "forbidden.new_borrowing"),
        ("仅限今天", {}, "forbidden.pressure"),
        ("【潮银行】您的欠款", {"channel": Channel.SMS}, "forbidden.open_channel"),
        ("【潮银行】请还 1264.94", {"channel": Channel.SMS}, "no_amount.open_channel"),
        ("【潮银行】请还一千元", {"channel": Channel.SMS}, "no_amount.open_channel"),
        ("【潮银行】请还￥1，264", {"channel": Channel.SMS}, "no_amount.open_channel"),
        ("见 https://t.example/pay?amt=1264", {}, "no_link_data.all"),
        ("见 t.cn/1264.94", {}, "no_link_data.all"),
        (
            "您好，我是潮银行的人，请转告还款",
            {"channel": Channel.CALL, "recipient": Recipient.UNRELATED},
            "forbidden.third_person",
        ),
        ("请转告 ¥300", {"channel": Channel.CALL, "recipient": Recipient.RELATED}, "no_amount.third_person"),
        ("您好，通话会录音", {"channel": Channel.CALL}, "required.identity"),
        ("您好，潮银行，请讲", {"channel": Channel.CALL}, "required.recorded"),
        ("将报送征信", {"flags": frozenset({"adverse_notice"})}, "required.dispute_route"),
        ("请还款", {"purpose": Purpose.COLLECTION}, "required.help_route"),
    ],
)
def test_what_a_text_may_not_say_or_must_say(body: str, more: dict[str, object], rule: str) -> None:
    assert rule in broken(body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ("逾期利息（合同称罚息）¥8.69", {}),
        ("We dispatch by default-free means", {"language": EN, "lender": ("x", "default-free")}),
        ("这不是法院文件", {}),
        ("【潮银行】您有一条新消息，请登录查看。需要帮助请拨 400-000-0000。", {"channel": Channel.SMS}),
        ("【潮贷款行】您有一条新消息", {"channel": Channel.SMS, "lender": ("潮贷款行",)}),
        ("见 https://tideover.example/messages", {}),
        (
            "您好，我是陈明。方便的话，请李女士回电 400-000-0000。谢谢。",
            {"channel": Channel.CALL, "recipient": Recipient.UNRELATED},
        ),
        ("您好，我是潮银行的陈明，通话会录音。", {"channel": Channel.CALL}),
        ("The adult and fault lines are undefaulted", {"language": EN}),
    ],
)
def test_kind_words_pass(body: str, more: dict[str, object]) -> None:
    assert broken(body, **more) == set()  # type: ignore[arg-type]


def test_each_finding_names_its_instrument_and_the_words() -> None:
    [found] = content_check(RULES, Text(Channel.APP, Purpose.SERVICE, ZH, "最后通知"))
    assert "催收工作指引" in found.citation and found.words == "最后通知" and found.rule in str(found)


def test_regulation_f_wants_a_way_out_of_every_electronic_message() -> None:
    words = "Tide Bank: you have a message."
    assert broken(words, Channel.SMS, EN, US, purpose=Purpose.COLLECTION) == {"required.opt_out", "required.debt_collector"}
    assert (
        broken(f"{words} This is from a debt collector. Reply STOP to opt out.", Channel.SMS, EN, US, purpose=Purpose.COLLECTION)
        == set()
    )


@pytest.mark.parametrize(
    "values",
    [
        "{}",
        "{phrases: [x]}",
        "{phrases: {de: [x]}}",
        "{phrases: {zh: []}}",
        "{phrases: {zh: [x]}, what: 1}",
        "{flag: other, phrases: {zh: [x]}}",
    ],
)
def test_a_rule_of_content_that_cannot_be_read_is_refused_with_its_line(values: str) -> None:
    rule = "{id: contact.content.forbidden.x, valid_from: 2020-01-01, status: house, note: n, values: %s, "
    rule += "citation: {instrument: h, article: a}}"
    made = pack_read("x", [("x.yaml", f"pack: x\nrules:\n  - {rule % values}\n")])
    with pytest.raises(PackError, match=r"x.yaml:3: contact.content.forbidden.x"):
        content_read(made, TODAY)


@pytest.mark.parametrize("entry", catalogue_read(), ids=lambda e: e["code"])
def test_the_wordings_of_the_package_are_ready_in_both_languages(entry: dict[str, object]) -> None:
    t = template_from(entry)
    assert template_problems(t, TODAY) == []
    longer = {(lang, v): len(x["body"]) for lang, texts in t.texts.items() for v, x in texts.items()}
    assert {v for _, v in longer} == {v for lang, v in longer if lang == ZH} == {v for lang, v in longer if lang == EN}
    home = pack_of(t.code) == HOME
    assert not home or "sms" not in t.texts[ZH] or len(parts(f"【潮生小额贷款】{t.texts[ZH]['sms']['body']}")) == 1


def test_a_change_is_shown_by_words_and_a_place_is_one_word() -> None:
    assert words_diff("{a}还款", "{b}还款了") == [("gone", "{a}"), ("new", "{b}"), ("same", "还款"), ("new", "了")]
    assert words_diff("pay it now", "pay it soon") == [("same", "pay it "), ("gone", "now"), ("new", "soon")]


@given(st.text(), st.text())
def test_both_texts_can_be_read_off_a_change(before: str, after: str) -> None:
    found = words_diff(before, after)
    assert "".join(t for m, t in found if m != "new") == before and "".join(t for m, t in found if m != "gone") == after
