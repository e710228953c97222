"""Steps are ordered by what they read and write; what cannot be ordered is said in a sentence."""

from __future__ import annotations

import pytest

from tideover.daily.close import HOUSE
from tideover.daily.steps import Step, StepError, columns, ordered


def step(name: str, reads: str = "", writes: str = "") -> Step:
    return Step(name, frozenset(reads.split()), frozenset(writes.split()), lambda day: None)


def test_the_house_order() -> None:
    names = [s.name for s in ordered(HOUSE)]
    before = ["resets", "cut_off", "replay", "transitions", "people", "manifest"]
    assert names == [*before, "screens", "retention", "books", "holds"]
    other = [s.name for s in ordered(HOUSE[::-1])]
    assert other[5] == "manifest" and other.index("holds") > other.index("screens")


def test_a_step_comes_after_what_it_reads_whatever_the_order_given() -> None:
    steps = [step("c", "loans.surplus"), step("b", "loans.bucket", "loans.surplus"), step("a", "", "loans.bucket")]
    assert [s.name for s in ordered(steps)] == ["a", "b", "c"]


def test_a_feature_that_acts_on_finished_tapes_comes_after_the_manifest() -> None:
    names = [s.name for s in ordered([step("worklists", "manifest loans.bucket"), *HOUSE])]
    assert names.index("worklists") > names.index("manifest")


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([step("a", "", "loans.bucket"), step("b", "", "loans.bucket")], "a and b both write loans.bucket"),
        ([step("a", "loans.bucket")], "a reads loans.bucket, which no step writes"),
        ([step("a", "loans.nothing")], "loans.nothing is neither a tape's column nor"),
        ([step("a", "loans.bucket", "loans.surplus"), step("b", "loans.surplus", "loans.bucket")], "steps wait for one another"),
    ],
)
def test_what_cannot_be_ordered_is_said(steps: list[Step], sentence: str) -> None:
    with pytest.raises(StepError, match=sentence):
        ordered(steps)


def test_all_columns_of_a_tape() -> None:
    assert "transitions.kind" in columns("transitions.*") and "transitions.*" not in columns("transitions.*")
