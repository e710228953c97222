"""Whole columns of text into typed columns, with the rows that do not fit. No loop over rows, no float."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tideover.core.keys import HANDLE, lasting_key
from tideover.engine.terms import NO_DAY
from tideover.lending.imports.mapping import PERS, Column
from tideover.lending.imports.targets import Type

ISO_DATE = r"^\d{4}-\d{2}-\d{2}([ T].*)?$"
NO_NUMBER = -(2**62)
"""An empty number or instant."""


@dataclass(slots=True)
class Converted:
    """One column. `values`: Arrow strings (TEXT, null = empty) or numpy integers (NO_NUMBER / NO_DAY = empty).

    `bad`: bool per row; `reason`: what a bad value should have been.
    """

    values: Any
    bad: np.ndarray
    reason: str
    empty: np.ndarray


def column_convert(text: pa.Array, column: Column, missing: tuple[str, ...]) -> Converted:
    """`text` (Arrow strings, no nulls) as the target's type."""
    text = pc.utf8_trim_whitespace(text)
    empty = np.asarray(pc.is_in(text, pa.array(missing, pa.string())))
    unknown = np.zeros(len(text), bool)
    if column.default:
        text, empty = pc.if_else(pa.array(empty), column.default, text), np.zeros(len(text), bool)
    if column.codes is not None:
        text, unknown = _mapped(text, column, empty)
    kind = column.target.type
    if kind == Type.TEXT:
        out = _text(text, column, empty)
    elif kind == Type.MONEY:
        places = 0 if column.is_minor else 2 + len(str(column.times)) - 1
        reason = f"an amount with at most {places} decimals" if places else "a whole number of minor units"
        out = _number(text, empty, places, column.decimal_mark, reason)
        _signed(out, column.sign)
    elif kind == Type.RATE:
        places = {"fraction": 6, "percent": 4, "permille": 3, "ppm": 0}[column.rate]
        text = pc.replace_substring_regex(text, r"\s*[%‰]$", "") if column.rate in ("percent", "permille") else text
        out = _number(text, empty, places, column.decimal_mark, f"a rate as {column.rate}, no finer than one millionth")
        out.bad |= out.values > 10**9  # before it is multiplied, so that nothing wraps
        out.values = np.where(out.empty | out.bad, out.values, out.values * PERS[column.per])
    elif kind == Type.INTEGER:
        out = _number(text, empty, 0, ".", "a whole number")
    elif kind == Type.DATE:
        out = _date(text, empty, column.date_format)
    else:
        out = _instant(text, empty)
    if unknown.any():
        out.bad = out.bad | unknown
        out.reason = f"one of {', '.join(sorted(column.codes or ()))[:120]}"
    if kind in (Type.MONEY, Type.RATE, Type.INTEGER):
        _bounds(out, column)
    return out


def _mapped(text: pa.Array, column: Column, empty: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    codes = column.codes or {}
    keys, values = pa.array(list(codes), pa.string()), pa.array(list(codes.values()), pa.string())
    at = pc.index_in(text, keys)
    return pc.fill_null(pc.take(values, at), ""), np.asarray(pc.is_null(at)) & ~empty


def _text(text: pa.Array, column: Column, empty: np.ndarray) -> Converted:
    if column.handle:
        text = _handles(text)
    target = column.target
    bad = np.asarray(pc.greater(pc.utf8_length(text), target.longest))
    reason = f"at most {target.longest} characters"
    if target.choices:
        bad = ~np.asarray(pc.is_in(text, pa.array(target.choices)))
        reason = f"one of {', '.join(target.choices)}"
    return Converted(pc.if_else(pa.array(empty), pa.scalar(None, pa.string()), text), bad & ~empty, reason, empty)


def _handles(text: pa.Array) -> pa.Array:
    """Keyed handles (P + 16 hex digits) of foreign ids: the same id gives the same handle, for good, and no handle gives its id
    away. Spaces, hyphens and case do not count."""
    key = lasting_key(HANDLE)

    def handle(text: str) -> str:
        plain = "".join(text.split()).replace("-", "").upper()
        return f"P{hmac.digest(key, plain.encode(), 'sha256')[:8].hex()}"

    coded = text.dictionary_encode()
    names = [handle(v) for v in coded.dictionary.to_pylist()]
    return pc.take(pa.array(names, pa.string()), coded.indices)


def _signed(out: Converted, sign: str) -> None:
    """Turn the file's sign into ours."""
    if sign != "plus":
        flipped = np.abs(out.values) if sign == "any" else -out.values
        out.values = np.where(out.empty | out.bad, out.values, flipped)


def _number(text: pa.Array, empty: np.ndarray, places: int, mark: str, reason: str) -> Converted:
    """Decimal text as an integer of 10^-places: exact, by decimal128's unscaled value. (5.00) and 5.00- are minus 5.00."""
    text = pc.replace_substring_regex(text, r"^\(([^()+-]*)\)$", r"-\1")
    text = pc.replace_substring_regex(text, r"^([^()+-]+)-$", r"-\1")
    thousands = "," if mark == "." else "."
    text = pc.replace_substring(text, thousands, "")
    text = pc.replace_substring(text, ",", ".") if mark == "," else text
    text = pc.replace_substring_regex(text, r"(\.\d*?)0+$", r"\1")
    digits = 18 - places  # of a number that int64 holds
    shape = rf"^[+-]?\d{{1,{digits}}}(\.\d{{0,{places}}})?$" if places else rf"^[+-]?\d{{1,{digits}}}\.?$"
    fits = np.asarray(pc.match_substring_regex(text, shape))
    plain = pc.if_else(pa.array(fits), text, "0")
    plain = pc.replace_substring_regex(plain, r"\.$", "")
    values = unscaled(pc.cast(plain, pa.decimal128(24, places)))
    return Converted(np.where(fits & ~empty, values, NO_NUMBER), ~fits & ~empty, reason, empty)


def unscaled(decimals: Any) -> np.ndarray:
    """int64 unscaled values of decimal128 that fit (little-endian: the low eight bytes of each sixteen)."""
    if isinstance(decimals, pa.ChunkedArray):
        decimals = decimals.combine_chunks()
    raw = np.frombuffer(decimals.buffers()[1], np.int64) if len(decimals) else np.zeros(0, np.int64)
    return raw[2 * decimals.offset : 2 * (decimals.offset + len(decimals)) : 2].copy()


def _bounds(out: Converted, column: Column) -> None:
    low, high = column.target.low, column.target.high
    seen = ~out.empty & ~out.bad
    outside = np.zeros(len(out.bad), bool)
    if low is not None:
        outside |= seen & (out.values < low)
    if high is not None:
        outside |= seen & (out.values > high)
    if outside.any():
        out.bad = out.bad | outside
        plain = column.target.type != Type.MONEY
        out.reason += f", within {low}..{high}" if plain else f", not below {Decimal(low or 0) / 100:.2f}"


def _date(text: pa.Array, empty: np.ndarray, form: str) -> Converted:
    reason = f"a date like {form}" if form else "a date like 2026-01-31"
    fits = np.ones(len(text), bool)
    if not form:
        fits = np.asarray(pc.match_substring_regex(text, ISO_DATE))
        text = pc.utf8_slice_codeunits(text, 0, 10)
    pattern = form or "%Y-%m-%d"
    parsed = pc.strptime(text, pattern, "s", error_is_null=True)
    # strptime turns 30 February into March; writing it back shows that (leading zeros may be left out in the file).
    # A two-digit year is not written back the same way where strftime pads otherwise, so only figures are compared.
    back = pc.strftime(parsed, pattern)
    same = np.asarray(pc.fill_null(pc.equal(_unpadded(back), _unpadded(text)), False))
    days = np.asarray(pc.fill_null(pc.cast(pc.cast(parsed, pa.date32()), pa.int32()), 0)).astype(np.int32)
    fits &= same
    return Converted(np.where(fits & ~empty, days, NO_DAY).astype(np.int32), ~fits & ~empty, reason, empty)


def _unpadded(text: Any) -> Any:
    return pc.replace_substring_regex(text, r"(^|\D)0+(\d)", r"\1\2")


def _instant(text: pa.Array, empty: np.ndarray) -> Converted:
    """ISO instants with a time zone (Z or ±hh:mm), as microseconds."""
    shape = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})$"
    fits = np.asarray(pc.match_substring_regex(text, shape))
    coded = pc.if_else(pa.array(fits), text, "1970-01-01T00:00:00Z").dictionary_encode()
    values, good = np.zeros(len(coded.dictionary), np.int64), np.ones(len(coded.dictionary), bool)
    for i, raw in enumerate(coded.dictionary.to_pylist()):
        values[i], good[i] = _micros(raw)
    at = np.asarray(coded.indices)
    fits &= good[at] if len(at) else fits
    got = values[at] if len(at) else np.zeros(0, np.int64)
    return Converted(np.where(fits & ~empty, got, NO_NUMBER), ~fits & ~empty, "an instant like 2026-01-31T09:30:00+08:00", empty)


def _micros(raw: str) -> tuple[int, bool]:
    from datetime import datetime

    from tideover.core.business_time import micros

    try:
        return micros(datetime.fromisoformat(raw)), True
    except ValueError:
        return 0, False
