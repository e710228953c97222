"""Five-category class of a loan from its days past due, thresholds that a pack gives, and a floor."""

from __future__ import annotations

from collections.abc import Sequence

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
