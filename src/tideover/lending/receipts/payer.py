"""Who paid: compared by name with the people of the loans, with earlier receipts, and with the watch lists of the lender."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import defaultdict
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.crypto import search_hash
from tideover.core.models import Role, User
from tideover.core.problems import Problem, Refused, refuse
from tideover.core.work import WorkKind, work_open
from tideover.core.work import register as work_register
from tideover.lending import clock
from tideover.lending.models import LoanParty, Party, PayerAlert, Receipt, WatchList, WatchName
from tideover.lending.receipts.holds import money_hold
from tideover.lending.rules.payer import Paid, PayerRule, alerts, payer_is, rules_read
from tideover.lending.rules.payer_names import is_masked, name_key

ROLE_RANK = {
    "borrower": "borrower", "co_borrower": "co_borrower", "guarantor_general": "guarantor", "guarantor_joint": "guarantor",
    "guarantee_company": "guarantor", "insurer": "guarantor", "controller": "controller", "heir": "borrower",
    "administrator": "borrower", "proxy": "borrower",
}  # fmt: skip
"""Roles in a loan, as who a payer is; an heir, an administrator and a proxy pay for the borrower."""
SCREEN = "receipt.screen"
LIST_COLUMNS = ("name", "reference")
LOOK_BACK = timedelta(days=730)


@cache
def rules() -> tuple[PayerRule, ...]:
    """The lender's rules about payers: the file that TIDEOVER_PAYER_RULES names, else payer_rules.yaml."""
    path = Path(settings.PAYER_RULES) if settings.PAYER_RULES else Path(__file__).with_name("payer_rules.yaml")
    return tuple(rules_read(yaml.safe_load(path.read_text(encoding="utf-8")) or []))


def payer_hash(name: str) -> bytes:
    """The search hash of a payer's name by its key; empty where there is none or part of it is hidden."""
    key = name_key(name)
    return search_hash(key) if key and not is_masked(key) else b""


def account_hash(account: str) -> bytes:
    """The search hash of an account number; empty where there is none or part of it is hidden."""
    plain = "".join(c for c in account if c.isalnum())
    return search_hash(plain) if plain and "*" not in account else b""


def lists_hit(name: str, *others: bytes) -> list[dict[str, str]]:
    """The watch lists that hold a name: [{list, reference}]."""
    hashes = [h for h in (payer_hash(name), *others) if h]
    rows = WatchName.objects.filter(name_hash__in=hashes, watch_list__ended_at=None).select_related("watch_list").order_by("pk")
    return [{"list": r.watch_list.name, "reference": r.reference} for r in rows]


def people_of(party: Party, entity_id: int) -> dict[str, list[str]]:
    """Names of those who stand in a borrower's loans, by who they are."""
    out: dict[str, list[str]] = defaultdict(list, {"borrower": [party.name]})
    stands = LoanParty.objects.filter(contract__borrower=party, contract__entity=entity_id).select_related("party")
    for row in stands:
        if row.role in ROLE_RANK:
            out[ROLE_RANK[row.role]].append(row.party.name)
    return out


def payer_look(receipt: Receipt, party: Party, *, actor: str) -> None:
    """Say who the payer of a receipt is to a borrower, and raise what people should look at. `receipt` is changed in place."""
    who = payer_is(receipt.payer_name, people_of(party, receipt.entity_id) if receipt.payer_name else {})
    if who != receipt.payer_is:
        receipt.payer_is = who
        receipt.save(update_fields=["payer_is"])
    if receipt.payer_is != "third_party":
        return
    found = alerts(
        rules(), party.pk, receipt.received_on, _earlier(receipt, Q(party=party)), _earlier(receipt, _same_payer(receipt)),
        related_to(party),
    )  # fmt: skip
    for kind, detail in found.items():
        PayerAlert.objects.get_or_create(receipt=receipt, kind=kind, defaults={"detail": detail, "raised_at": now()})
    log(actor, "receipt.third_party", "receipt", receipt.number, {"alerts": sorted(found)})


def _same_payer(receipt: Receipt) -> Q:
    same = Q(pk__in=[])
    if receipt.payer_hash:
        same |= Q(payer_hash=receipt.payer_hash)
    if receipt.account_hash:
        same |= Q(account_hash=receipt.account_hash)
    return same


def _earlier(receipt: Receipt, which: Q) -> list[Paid]:
    since = receipt.received_on - LOOK_BACK
    rows = Receipt.objects.filter(which, reversed_at=None, received_on__gt=since, received_on__lte=receipt.received_on)
    rows = rows.exclude(pk=receipt.pk)
    return [Paid(p, on, who == "third_party") for p, on, who in rows.values_list("party", "received_on", "payer_is")]


def related_to(party: Party) -> set[int]:
    """Parties that stand in a loan together with this one."""
    loans = LoanParty.objects.filter(Q(party=party) | Q(contract__borrower=party)).values("contract")
    rows = LoanParty.objects.filter(contract__in=loans).values_list("party", "contract__borrower")
    return {pk for row in rows for pk in row}


def screen(receipt: Receipt, party: Party | None, *, actor: str) -> bool:
    """Look a payer up in the watch lists. On a hit the receipt stays unplaced until a second person decides (True).

    A debit's money was taken by us from the borrower's own account: a hit is shown there too, but the money counts.
    """
    hits = lists_hit(receipt.payer_name)
    if not hits:
        return False
    PayerAlert.objects.create(receipt=receipt, kind="watch_list", detail={"hits": hits}, raised_at=now())
    stops = receipt.debit_id is None
    if stops:
        receipt.screening, receipt.meant_for, receipt.party = "hit", party, None
        receipt.save(update_fields=["screening", "meant_for", "party"])
        if party is not None:
            money_hold(party, receipt, actor=actor)
    work_open(
        SCREEN, subject=("receipt", receipt.number), key=f"{SCREEN}:{receipt.number}", owner_role=Role.COMPLIANCE, actor=actor,
        why=gettext_noop("The payer of %(receipt)s stands on the watch list %(list)s. Say whether the money may be booked."),
        due_at=now() + timedelta(days=1), entity=receipt.entity.code, amount_minor=receipt.amount_minor,
        why_values={"receipt": receipt.number, "list": hits[0]["list"]},
    )  # fmt: skip
    return stops


def watch_list_load(name: str, content: bytes, *, actor: str) -> WatchList:
    """Load a watch list from CSV (UTF-8; columns name, reference); the list of that name that held before ends.

    The same content again changes nothing. Raises Refused naming each line that cannot be used.
    """
    if not name.strip() or len(name) > 40:
        raise refuse("missing", "give the list a name of at most 40 characters", "name")
    digest = hashlib.sha256(content).digest()
    before = WatchList.objects.filter(name=name.strip(), ended_at=None).first()
    if before is not None and bytes(before.sha256) == digest:
        return before
    rows = _list_read(content)
    with transaction.atomic():
        clock.writing()
        WatchList.objects.filter(name=name.strip(), ended_at=None).update(ended_at=now())
        made = WatchList.objects.create(name=name.strip(), sha256=digest, names=len(rows), loaded_at=now(), loaded_by=actor)
        WatchName.objects.bulk_create(
            [WatchName(watch_list=made, name_hash=search_hash(key), reference=ref) for key, ref in rows], batch_size=2000
        )  # fmt: skip
        log(actor, "watch_list.load", "watch_list", made.name, {"names": len(rows), "sha256": digest.hex()})
    return made


def _list_read(content: bytes) -> list[tuple[str, str]]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise refuse("not_utf8", f"the file is not UTF-8: {error}", "file") from error
    if "name" not in (reader.fieldnames or ()):
        raise refuse("no_such_column", f"the file needs the columns {', '.join(LIST_COLUMNS)}", "file")
    out, problems = [], []
    for n, row in enumerate(reader, start=2):
        key = name_key(row["name"] or "")
        if not key or is_masked(key):
            problems.append(Problem("bad_name", f"line {n}: {row['name']!r} is no name", "file"))
        else:
            out.append((key, (row.get("reference") or "").strip()[:60]))
    if problems:
        raise Refused(*problems[:20])
    if not out:
        raise refuse("empty", "the file holds no name", "file")
    return out


def alert_close(alert: PayerAlert, *, outcome: str, note: str, actor: User) -> PayerAlert:
    """Say what came of an alert. Raises Refused: unknown outcome, no note, closed already."""
    if outcome not in dict(PayerAlert.OUTCOMES):
        raise refuse("unknown_outcome", f"{outcome} is not one of {', '.join(dict(PayerAlert.OUTCOMES))}", "outcome")
    if not note.strip():
        raise refuse("missing", "say what you found", "note")
    with transaction.atomic():
        values: dict[str, Any] = {
            "closed_at": now(), "closed_by": actor.username, "outcome": outcome, "note": note.strip()[:300]
        }  # fmt: skip
        if not PayerAlert.objects.filter(pk=alert.pk, closed_at=None).update(**values):
            raise refuse("closed", "this alert is closed already")
        alert.refresh_from_db()
        log(actor.username, "receipt.alert_close", "receipt", alert.receipt.number, {"kind": alert.kind, "outcome": outcome})
    return alert


def kinds_register() -> None:
    """Make the kind of work known."""
    from django.urls import reverse

    work_register(
        WorkKind(
            SCREEN, gettext_noop("Payer on a watch list"), lambda item: reverse("receipt", args=[item.subject_id]),
            {"done": gettext_noop("decided")},
        )
    )  # fmt: skip
