"""One comparison of names for receipts, statements and watch lists."""

from __future__ import annotations

import pytest

from tideover.lending.rules.payer import payer_is
from tideover.lending.rules.payer_names import name_fit, name_key


@pytest.mark.parametrize(
    ("payer", "name", "fit"),
    [
        ("李 明", "李明", "same"), (" 李　明", "李明", "same"), ("李明先生", "李明", "same"),
        ("阿凡提·买买提", "阿凡提买买提", "same"),
        ("ＬＩ ＭＩＮＧ", "Li, Ming", "same"), ("Ming LI", "li ming", "same"), ("MR LI MING", "Ming Li", "same"),
        ("José Núñez", "NUNEZ JOSE", "same"), ("示例（上海）有限公司", "示例(上海)有限公司", "same"),
        ("ＬＩ ＭＩＮＧ", "李明", "pinyin"), ("Ming LI", "李明", "pinyin"), ("李明", "MING LI", "pinyin"),
        ("LV XIAO", "吕晓", "pinyin"),
        ("ZENG LI", "曾莉", "pinyin"), ("MS XIAOMING LI", "李小明女士", "pinyin"), ("LI XIAO MING", "李小明", "pinyin"),
        ("李*", "李明", "masked"), ("＊芳", "王芳", "masked"), ("李×明", "李小明", "masked"),
        ("示***公司", "示例科技有限公司", "masked"),
        ("LI *", "Ming LI", "masked"), ("M*** LI", "LI MING", "masked"), ("李*", "李*", "masked"),
        ("**", "李明", ""), ("王*", "李明", ""), ("李*", "李", ""), ("LI M*", "LI WANG", ""),
        ("张三丰", "张三", "near"), ("李鸣", "李明", ""), ("", "李明", ""), ("王芳", "李明", ""),
        ("", "", ""), ("先生", "李明", ""),
    ],
)  # fmt: skip
def test_how_a_name_fits(payer: str, name: str, fit: str) -> None:
    assert name_fit(payer, name) == fit


def test_a_key_is_the_same_however_the_name_is_written() -> None:
    assert len({name_key(n) for n in ("Li Ming", "MING  LI", "Ｌｉ，Ｍｉｎｇ", "Mr. Li Ming")}) == 1
    assert len({name_key(n) for n in ("李明", "李 明 先生", "李·明")}) == 1
    assert name_key("先生") == "先生", "a title alone is a name"
    assert name_key("") == name_key(" ·") == ""


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("李明", "borrower"), ("LI MING", "borrower"), ("李*", "borrower"), ("王芳女士", "guarantor"), ("WANG FANG", "guarantor"),
        ("＊芳", "guarantor"), ("", "unknown"), ("***", "unknown"), ("赵*", "unknown"), ("赵强", "third_party"),
        ("李明亮", "third_party"),
    ],
)  # fmt: skip
def test_who_a_payer_is(name: str, who: str) -> None:
    assert payer_is(name, {"borrower": ["李明"], "guarantor": ["王芳"]}) == who
