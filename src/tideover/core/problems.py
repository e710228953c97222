"""What was wrong with an input: records that say what, where and what to do; rendered as RFC 9457 problems by the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a stable code, a sentence, and the field it is about (empty: the whole input)."""

    code: str
    message: str
    field: str = ""


class Refused(Exception):
    """A use case that refused its input and changed nothing. `status` is the HTTP status it answers with."""

    status = 422

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(p.message for p in problems))
        self.problems: Sequence[Problem] = problems


class NotFound(Refused):
    """The thing does not exist, or not for this person."""

    status = 404


class Forbidden(Refused):
    """This person may not."""

    status = 403


class IdempotencyConflict(Refused):
    """The same idempotency key came with another body."""


def refuse(code: str, message: str, field: str = "") -> Refused:
    """A refusal with one problem."""
    return Refused(Problem(code, message, field))
