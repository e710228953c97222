"""The approvals `product.publish` and `rate.publish`: risk proposes, a second person decides, then the catalogue has it.

A published version is on offer from its first day; the version before it ends on that day, and contracts keep the version
under which they were signed.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.approvals import ApprovalKind, Shown, approval_ask, register
from tideover.core.authority import one_of
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, Role, User
from tideover.core.packs.load import NoRule
from tideover.core.packs.rules.fixings import published_on
from tideover.core.problems import Problem, Refused, refuse
from tideover.engine.terms import RATE_PPM_MAX
from tideover.lending.models import Product, PublishedRate
from tideover.lending.products import product_check, product_load
from tideover.lending.rates import calendar_of

PRODUCT, RATE = "product.publish", "rate.publish"
ASKS = frozenset({Role.RISK})


def product_newest(code: str) -> Product | None:
    """The newest version of a product."""
    return Product.objects.filter(code=code).order_by("-version").first()


def product_ask(*, text: str, reason: str, actor: User) -> Approval | Product:
    """Ask for a product version; the stored one when it is there already with the same text.

    Raises Refused with every problem of the file (price and penalty with their articles), a version that is not the next one,
    or a first day that is past.
    """
    data = product_check(text)
    newest = product_newest(data["code"])
    if newest is not None and newest.version == data["version"] and newest.source_yaml == text:
        return newest
    wanted = newest.version + 1 if newest else 1
    problems = []
    if data["version"] != wanted:
        problems.append(Problem("bad_version", f"the next version of {data['code']} is {wanted}", "version"))
    if data["valid_from"] < business_date():
        problems.append(Problem("in_the_past", "a version is on offer from today on or later", "valid_from"))
    if newest is not None and data["valid_from"] <= newest.valid_from:
        message = f"version {newest.version} begins on {newest.valid_from}: a new one begins after it"
        problems.append(Problem("bad_dates", message, "valid_from"))
    if problems:
        raise Refused(*problems)
    return approval_ask(PRODUCT, subject=("product", data["code"]), payload={"text": text}, reason=reason, actor=actor)


def flat(data: Any, name: str = "") -> dict[str, str]:
    """Nested keys and values as one level: `conventions.due_day` → `20`."""
    if not isinstance(data, dict):
        return {name: str(data)}
    out: dict[str, str] = {}
    for key, value in data.items():
        out |= flat(value, f"{name}.{key}" if name else str(key))
    return out


def product_diff(text: str) -> list[Shown]:
    """Every key that a text changes against the newest stored version of its product, with both values."""
    data = product_check(text)
    newest = Product.objects.filter(code=data["code"], version__lt=data["version"]).order_by("-version").first()
    before = flat(product_check(newest.source_yaml)) if newest else {}
    after = flat(data)
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    return [Shown(n, before.get(n, ""), after.get(n, "")) for n in names]


def _product_apply(approval: Approval, actor: User) -> dict[str, Any]:
    product = product_load(approval.payload["text"])
    before = Product.objects.filter(code=product.code, version__lt=product.version, valid_to=None)
    before.update(valid_to=product.valid_from)
    return {"code": product.code, "version": product.version}


def rate_ask(*, index: str, on: date, rate_ppm: int, reason: str, actor: User) -> Approval:
    """Ask for a fixing that the packs lack. Raises Refused: unknown index, not a publication day, published already."""
    try:
        days = calendar_of(index)
    except NoRule as error:
        raise refuse("unknown_index", str(error), "index") from error
    if on != published_on(days, on.year, on.month):
        right = published_on(days, on.year, on.month)
        raise refuse("not_a_publication_day", f"the rate of {on:%Y-%m} is published on {right}", "published_on")
    if on > business_date():
        raise refuse("in_the_future", "a rate is entered once it is published", "published_on")
    if not 0 < rate_ppm <= RATE_PPM_MAX:
        raise refuse("bad_rate", "the rate must be more than nothing and at most 100 %", "rate")
    _not_there(index, on)
    payload = {"index": index, "published_on": on.isoformat(), "rate_ppm": rate_ppm}
    return approval_ask(RATE, subject=("rate", f"{index} {on}"), payload=payload, reason=reason, actor=actor)


def _not_there(index: str, on: date) -> None:
    if PublishedRate.objects.filter(index=index, published_on=on).exists():
        raise refuse("published_already", f"{index} of {on} is published already", "published_on")


def _rate_apply(approval: Approval, actor: User) -> dict[str, Any]:
    p = approval.payload
    on = date.fromisoformat(p["published_on"])
    _not_there(p["index"], on)
    row = PublishedRate.objects.create(
        index=p["index"], published_on=on, rate_ppm=p["rate_ppm"], recorded_at=now(), approval=approval
    )  # fmt: skip
    return {"rate": row.pk}


def percent(ppm: int) -> str:
    """`3.45%` of 34500."""
    return f"{ppm / 10_000:.4f}".rstrip("0").rstrip(".") + "%"


def _rate_show(approval: Approval) -> list[Shown]:
    p = approval.payload
    last = PublishedRate.objects.filter(index=p["index"], published_on__lt=p["published_on"]).order_by("-published_on").first()
    before = f"{percent(last.rate_ppm)} ({last.published_on})" if last else ""
    return [Shown(p["index"], before, percent(p["rate_ppm"])), Shown(_("Published on"), "", p["published_on"])]


def _product_stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    newest = product_newest(subject[1])
    return f"v{newest.version}" if newest else "v0"


def kinds_register() -> None:
    """Make the kinds known."""
    deciders = one_of(Role.COMPLIANCE, Role.FINANCE)
    register(
        ApprovalKind(
            code=PRODUCT,
            label=gettext_noop("New version of a product"),
            asks=ASKS,
            decides=deciders,
            apply=_product_apply,
            show=lambda a: product_diff(a.payload["text"]),
            stamp=_product_stamp,
            address=lambda a: reverse("product", args=[a.subject_id]) if product_newest(a.subject_id) else reverse("products"),
        )
    )
    register(
        ApprovalKind(
            code=RATE,
            label=gettext_noop("Published reference rate"),
            asks=ASKS,
            decides=deciders,
            apply=_rate_apply,
            show=_rate_show,
            address=lambda a: reverse("rates"),
        )
    )
