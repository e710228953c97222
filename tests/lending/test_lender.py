"""A lender from a file: all of it or nothing, again without change, and what is wrong named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tideover.core.problems import Refused
from tideover.lending.lender import lender_init
from tideover.lending.models import Branch, LegalEntity, Product, Staff

GOOD = """
entities:
  - {code: RIVER, name_zh: 江河, name_en: River, lender_type: bank, currency: CZK, valid_from: 2020-01-01,
     branches: [{code: R1, name_zh: 一, name_en: One}]}
staff: [{username: ann, role: risk, number: S1, name_zh: 安, name_en: Ann, branch: R1}]
products: [built-in]
"""


def test_made_once_and_extended_later(db: None, tmp_path: Path) -> None:
    made = lender_init(GOOD, tmp_path, actor="test")
    assert (made.entities, made.branches, made.staff, made.products) == (1, 1, 1, Product.objects.count())
    assert LegalEntity.objects.get().currency == "CZK" and Staff.objects.get().entity.code == "RIVER"
    again = lender_init(
        GOOD.replace("name_en: One}", "name_en: One}, {code: R2, name_zh: 二, name_en: Two}"), tmp_path, actor="t"
    )
    assert (again.entities, again.branches, again.staff, again.products) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("code: RIVER, ", "", r"entities\[0\]: code is missing"),
        ("name_en: One", "nam_en: One", r"branches\[0\]: unknown key nam_en"),
        ("lender_type: bank", "lender_type: church", "lender type church"),
        ("currency: CZK", "currency: crowns", "three capital letters"),
        ("valid_from: 2020-01-01", "valid_from: soon", "valid_from must be a date"),
        ("role: risk", "role: king", "role king"),
        ("branch: R1", "branch: R9", "there is no R9"),
        ("built-in", "none.yaml", "none.yaml cannot be read"),
        ("entities:", "entities: 1\nx:", "x"),
        ("staff: [", "staff: {", "YAML"),
    ],
)
def test_one_wrong_word_keeps_everything_out(db: None, tmp_path: Path, old: str, new: str, word: str) -> None:
    before = Product.objects.count()
    with pytest.raises(Refused, match=word):
        lender_init(GOOD.replace(old, new, 1), tmp_path, actor="test")
    assert not Branch.objects.exists() and not LegalEntity.objects.exists() and Product.objects.count() == before


def test_what_exists_with_other_content_is_refused(db: None, tmp_path: Path) -> None:
    lender_init(GOOD, tmp_path, actor="test")
    with pytest.raises(Refused, match="RIVER exists with name_en River, not Sea"):
        lender_init(GOOD.replace("name_en: River", "name_en: Sea"), tmp_path, actor="test")
