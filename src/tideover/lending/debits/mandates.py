"""Mandates 代扣授权: given by the borrower with a record of what they agreed to, accounts in an order, withdrawn any day."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from tideover.core.action_log import log
from tideover.core.business_time import business_date, now
from tideover.core.crypto import search_hash
from tideover.core.ids import handle_new
from tideover.core.problems import Problem, Refused, refuse
from tideover.lending import clock
from tideover.lending.debits.moves import debit_move
from tideover.lending.models import Contract, Debit, DebitAccount, LegalEntity, Mandate, MandateAct, Party
from tideover.lending.rules.debits import State

ACCOUNT_NUMBER = re.compile(r"\d{8,30}")
BANK_CODE = re.compile(r"[A-Za-z0-9]{2,12}")
CAP_MAX_MINOR = 10**12
HOW = ("app", "paper", "telephone")


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is given. number: digits; spaces are dropped."""

    bank_code: str
    bank_name: str
    holder: str
    number: str


def _account_problems(accounts: Sequence[Account]) -> list[Problem]:
    out = [Problem("missing", "name at least one account", "accounts")] if not accounts else []
    seen: set[str] = set()
    for nr, a in enumerate(accounts):
        number = a.number.replace(" ", "")
        if not ACCOUNT_NUMBER.fullmatch(number):
            out.append(Problem("bad_account", "an account number has 8 to 30 digits", f"accounts.{nr}.number"))
        if number in seen:
            out.append(Problem("twice", "this account is named twice", f"accounts.{nr}.number"))
        seen.add(number)
        if not BANK_CODE.fullmatch(a.bank_code):
            out.append(Problem("bad_bank", "a bank code has 2 to 12 letters and digits", f"accounts.{nr}.bank_code"))
        for name in ("bank_name", "holder"):
            if not getattr(a, name).strip() or len(getattr(a, name)) > 80 or "|" in getattr(a, name):
                out.append(Problem("missing", f"{name} has 1 to 80 characters and no bar", f"accounts.{nr}.{name}"))
    return out


def mandate_give(
    party: Party, entity: LegalEntity, *, accounts: Sequence[Account], cap_take_minor: int, cap_month_minor: int, words: str,
    how: str, actor: str, contracts: Sequence[Contract] = (), valid_from: date | None = None, valid_to: date | None = None,
    part_allowed: bool = False, payday: int | None = None,
) -> Mandate:  # fmt: skip
    """The borrower gives their leave; an earlier mandate with the entity ends with it. `words`: what they read and agreed to.

    Raises Refused with every problem: accounts, caps, days, payday, words; a loan that is not theirs; the holder of an account
    must be the borrower.
    """
    begins = valid_from or business_date()
    problems = _account_problems(accounts)
    for field, cap in (("cap_take", cap_take_minor), ("cap_month", cap_month_minor)):
        if not 0 < cap <= CAP_MAX_MINOR:
            problems.append(Problem("bad_cap", "a cap is an amount above zero", field))
    if cap_month_minor < cap_take_minor:
        problems.append(Problem("bad_cap", "the cap of a month is not below that of one take", "cap_month"))
    if valid_to is not None and valid_to < begins:
        problems.append(Problem("bad_dates", "it would end before it begins", "valid_to"))
    if payday is not None and not 1 <= payday <= 31:
        problems.append(Problem("bad_payday", "a payday is a day of the month, 1 to 31", "payday"))
    if how not in HOW:
        problems.append(Problem("bad_how", f"a mandate is given by {', '.join(HOW)}", "how"))
    if not words.strip():
        problems.append(Problem("missing", "the words that were agreed to are missing", "words"))
    if any(c.borrower_id != party.pk or c.entity_id != entity.pk for c in contracts):
        problems.append(Problem("not_their_loan", "a mandate names loans of the borrower with this lender only", "loans"))
    if any(a.holder.strip() != party.name for a in accounts):
        problems.append(Problem("other_holder", "the account must be the borrower's own", "accounts"))
    if problems:
        raise Refused(*problems)
    with transaction.atomic():
        clock.writing()
        for before in Mandate.objects.select_for_update(no_key=True).filter(party=party, entity=entity, withdrawn_at=None):
            _end(before, how=how, reason="replaced", actor=actor)
        mandate = Mandate.objects.create(
            reference=handle_new("M"), party=party, entity=entity, signed_at=now(), signed_by=actor, signed_how=how,
            valid_from=begins, valid_to=valid_to, cap_take_minor=cap_take_minor, cap_month_minor=cap_month_minor,
            part_allowed=part_allowed, payday=payday, words_hash=hashlib.sha256(words.encode()).digest(),
        )  # fmt: skip
        mandate.contracts.set(contracts)
        _accounts_set(mandate, accounts)
        # The words themselves, for no release of this program shows them for good.
        detail = {
            "words": words,
            "sha256": mandate.words_hash.hex(),
            "loans": [c.number for c in contracts],
            "accounts": len(accounts),
        }
        _act(mandate, "given", how=how, actor=actor, detail=detail)
    return mandate


def _act(mandate: Mandate, act: str, *, how: str, actor: str, reason: str = "", detail: dict[str, object] | None = None) -> None:
    MandateAct.objects.create(
        mandate=mandate, act=act, at=now(), actor=actor, how=how, reason=reason[:200], detail=detail or {}
    )  # fmt: skip
    log(actor, f"mandate.{act}", "party", mandate.party.reference, {"mandate": mandate.reference})


def _accounts_set(mandate: Mandate, accounts: Sequence[Account]) -> None:
    for rank, a in enumerate(accounts, start=1):
        number = a.number.replace(" ", "")
        DebitAccount.objects.create(
            mandate=mandate, rank=rank, bank_code=a.bank_code, bank_name=a.bank_name.strip(), holder=a.holder.strip(),
            number=number, number_hash=search_hash(number),
        )  # fmt: skip


def accounts_order(mandate: Mandate, order: Sequence[int], *, how: str, actor: str) -> Mandate:
    """Ask the accounts in this order (their ids) from now on; an account that is left out is asked no more.

    Raises Refused: the mandate is withdrawn, an id that is not one of its accounts, one twice, or none left.
    """
    with transaction.atomic():
        locked = _locked(mandate)
        mine = {a.pk: a for a in locked.accounts.filter(ended_at=None)}
        if not order or len(set(order)) != len(order) or not set(order) <= set(mine):
            raise refuse("bad_order", "name each account once, and at least one", "order")
        for pk, account in mine.items():
            account.ended_at = None if pk in order else now()
            account.rank = order.index(pk) + 1 if pk in order else account.rank
            account.save(update_fields=["rank", "ended_at"])
        _act(locked, "accounts", how=how, actor=actor, detail={"order": list(order)})
    return locked


def mandate_withdraw(mandate: Mandate, *, how: str, actor: str, reason: str = "") -> Mandate:
    """The borrower takes their leave back, from this moment: what is drafted never leaves. What has left cannot be called back.

    Withdrawing twice changes nothing.
    """
    with transaction.atomic():
        clock.writing()
        locked = Mandate.objects.select_for_update(of=("self",), no_key=True).select_related("party").get(pk=mandate.pk)
        if locked.withdrawn_at is None:
            _end(locked, how=how, reason=reason or "withdrawn", actor=actor)
    return locked


def _locked(mandate: Mandate) -> Mandate:
    locked = Mandate.objects.select_for_update(of=("self",), no_key=True).select_related("party").get(pk=mandate.pk)
    if locked.withdrawn_at is not None:
        raise refuse("withdrawn", "this mandate was withdrawn; a new one can be given", "mandate")
    return locked


def _end(mandate: Mandate, *, how: str, reason: str, actor: str) -> None:
    mandate.withdrawn_at = now()
    mandate.save(update_fields=["withdrawn_at"])
    for pk in Debit.objects.filter(mandate=mandate, state=State.DRAFTED).order_by("pk").values_list("pk", flat=True):
        debit = Debit.objects.select_for_update(of=("self",), no_key=True).get(pk=pk)
        if debit.state == State.DRAFTED:
            debit_move(debit, State.FAILED, reason="stopped", actor=actor)
    _act(mandate, "withdrawn", how=how, actor=actor, reason=reason)
