"""No page, tape, document or API reads replay's figures around whoever's figures hold (lending/held.py)."""

from __future__ import annotations

import re
from pathlib import Path

SRC = Path(__file__).parents[3] / "src" / "tideover"
ALONE = re.compile(r"\b(standing_replayed|standings_of|replay_many|replay)\(|\breplay_one\(|reference\.replay\(")
FIELDS = re.compile(r"\bstanding_(fields|columns)\(")
MAY_REPLAY = {
    "lending/held.py": "the reader itself",
    "lending/columns.py": "defines the batch",
    "lending/rules/breaks.py": "hypotheses",
    "lending/rules/reset_effect.py": "what a reset changes: a difference of two replays",
    "lending/beside/compare.py": "compares replay with the core",
    "lending/journal.py": "whether an event can happen",
    "lending/payments.py": "whether payments can happen; its cache goes through the reader",
    "lending/imports/standings.py": "the cache, through held_into",
    "lending/imports/events.py": "whether events can happen; its cache goes through held_into",
    "lending/imports/loans.py": "whether opened loans can be replayed",
    "lending/doctor.py": "the cache against the reader, through held_into",
    "lending/panels_loan.py": "where one payment went when it was booked: a fact of the journal",
    "lending/panels_mine_why.py": "what changed in 30 days; not asked while the core's figures hold",
    "lending/receipts/planning.py": "the days of a plan with payments that are not booked: carried by standing_moved",
    "lending/receipts/panels.py": "what undoing a receipt would change: carried by standing_moved",
    "lending/payoff/figures.py": "what closes a loan on a day; no quote is made for a loan that a core keeps",
    "lending/rules/payoff.py": "the same, as a rule",
    "lending/api_agreements.py": "the plan of a contract that is not signed yet",
    "daily/loans.py": "the tape, through held_into; the other clock of a reschedule",
}
MAY_WRITE = {
    "lending/selectors.py", "lending/services.py", "lending/payments.py", "lending/imports/standings.py",
    "lending/imports/events.py", "lending/doctor.py", "simulate/book.py",
}  # fmt: skip
NO_READERS = ("engine/", "conform/", "accounting/", "simulate/")
"""The engine itself, cases from elsewhere, the books (of entities that keep their own), and the making of the demo."""


def _found(pattern: re.Pattern[str]) -> set[str]:
    out = set()
    for path in SRC.rglob("*.py"):
        name = path.relative_to(SRC).as_posix()
        lines = [
            line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith(("def ", "from "))
        ]
        if not name.startswith(NO_READERS) and any(pattern.search(line) for line in lines):
            out.add(name)
    return out


def test_only_the_named_modules_ask_replay_alone() -> None:
    assert _found(ALONE) <= set(MAY_REPLAY)


def test_every_named_module_still_asks_replay() -> None:
    assert set(MAY_REPLAY) - _found(ALONE) == set()


def test_only_the_named_modules_make_a_cached_standing() -> None:
    writes = {n for n in _found(FIELDS) if not n.startswith("simulate/")}
    assert writes <= MAY_WRITE


def test_who_replays_for_a_cache_or_a_tape_puts_the_cores_figures_in() -> None:
    for name in ("lending/imports/standings.py", "lending/imports/events.py", "lending/doctor.py", "daily/loans.py"):
        assert "held_into(" in (SRC / name).read_text(encoding="utf-8"), name
    for name in ("lending/receipts/planning.py", "lending/receipts/panels.py"):
        assert "standing_moved(" in (SRC / name).read_text(encoding="utf-8"), name
    for name in ("lending/payments.py", "lending/services.py", "lending/selectors.py"):
        assert "standing_held(" in (SRC / name).read_text(encoding="utf-8"), name
