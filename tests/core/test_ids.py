"""Handles that are read over the telephone: a slip is noticed."""

from __future__ import annotations

import random

from tideover.core.ids import ALPHABET, PRIME, handle_new, handle_ok

SEED = 20261125


def test_one_wrong_character_or_two_neighbours_swapped_are_noticed() -> None:
    rng = random.Random(SEED)
    for _ in range(200):
        handle = handle_new("P")
        assert handle_ok(handle) and handle.startswith("P-") and len(handle) == 13
        at = rng.randrange(2, 13)
        other = rng.choice([c for c in ALPHABET[:PRIME] if c != handle[at]])
        assert not handle_ok(handle[:at] + other + handle[at + 1 :]), handle
        at = rng.randrange(2, 11)
        if handle[at] != handle[at + 1]:
            assert not handle_ok(handle[:at] + handle[at + 1] + handle[at] + handle[at + 2 :]), handle
    assert not handle_ok("P-") and not handle_ok("P-0000")
