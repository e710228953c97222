"""Five-category class of a loan from its days past due, thresholds that a pack gives, and a floor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CLASSES = ("normal", "special_mention", "substandard", "doubtful", "loss")
BAD_CLASSES = ("substandard", "doubtful", "loss")


def classify(days_past_due: int, over: Sequence[tuple[int, str]], class_min: str = "") -> str:
    """The worst class whose threshold the days past due exceed (strictly), never better than `class_min`."""
    found = "normal"
    for threshold, name in over:
        if days_past_due > threshold:
            found = name
    if class_min and CLASSES.index(class_min) > CLASSES.index(found):
        return class_min
    return found


def classify_many(days_past_due: np.ndarray, ladders: Sequence[Sequence[tuple[int, str]]], which: np.ndarray) -> np.ndarray:
    """The class of each loan on its own ladder, without a floor: `classify` of many.

    Shapes: days_past_due, which: int[n]; which: index into `ladders`; returns int8[n], index into CLASSES.
    """
    found = np.zeros(len(days_past_due), np.int8)
    for k, over in enumerate(ladders):
        for threshold, name in over:
            found[(which == k) & (days_past_due > threshold)] = CLASSES.index(name)
    return found
