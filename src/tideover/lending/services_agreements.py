"""What surrounds a contract: limits of a facility, the parties of a loan, its collateral."""

from __future__ import annotations

from datetime import date

from django.db import IntegrityError, transaction

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.problems import Problem, Refused, refuse
from tideover.engine.terms import PRINCIPAL_MINOR_MAX
from tideover.lending.models import Collateral, Contract, Facility, LoanParty, Party

PPM = 1_000_000
ROLES = tuple(r for r, _ in LoanParty.ROLES if r != "borrower")


def facility_limit_set(facility: Facility, *, limit_minor: int, actor: str) -> Facility:
    """Cut (or raise again) a limit. What is drawn stays drawn; below it nothing can be drawn any more.

    Raises Refused for a limit below nothing or past the engine's bound.
    """
    if not 0 <= limit_minor <= PRINCIPAL_MINOR_MAX:
        raise refuse("bad_limit", f"the limit must lie in 0..{PRINCIPAL_MINOR_MAX} minor units", "limit")
    with transaction.atomic():
        locked = Facility.objects.select_for_update(no_key=True).get(pk=facility.pk)
        detail = {"from_minor": locked.limit_minor, "to_minor": limit_minor}
        locked.limit_minor = limit_minor
        locked.save(update_fields=["limit_minor"])
        log(actor, "facility.limit", "facility", locked.number, detail)
    return locked


def facility_freeze(facility: Facility, *, frozen: bool, actor: str) -> Facility:
    """Stop new drawdowns, or allow them again; doing it twice changes nothing."""
    with transaction.atomic():
        locked = Facility.objects.select_for_update(no_key=True).get(pk=facility.pk)
        if locked.frozen != frozen:
            locked.frozen = frozen
            locked.save(update_fields=["frozen"])
            log(actor, "facility.freeze" if frozen else "facility.unfreeze", "facility", locked.number)
    return locked


def loan_party_add(
    contract: Contract,
    party: Party,
    *,
    role: str,
    valid_from: date,
    actor: str,
    valid_to: date | None = None,
    cap_minor: int | None = None,
    share_ppm: int | None = None,
) -> LoanParty:
    """Let somebody stand in a loan. Raises Refused by field: unknown role, the borrower again, cap or share misplaced."""
    problems = []
    if role not in ROLES:
        problems.append(Problem("unknown_role", f"role {role} is not one of {', '.join(ROLES)}", "role"))
    if party.pk == contract.borrower_id:
        problems.append(Problem("is_borrower", "the borrower stands in the loan already", "party"))
    if valid_to is not None and valid_to <= valid_from:
        problems.append(Problem("bad_dates", "it must end after it begins", "valid_to"))
    if cap_minor is not None and (not role.startswith(("guarant", "insurer")) or not 0 < cap_minor <= PRINCIPAL_MINOR_MAX):
        problems.append(Problem("bad_cap", "a cap is a positive sum of a guarantor or insurer", "cap"))
    if (share_ppm is None) == (role == "co_lender") or (share_ppm is not None and not 0 < share_ppm < PPM):
        problems.append(Problem("bad_share", "a co-lender, and only one, has a share of 1..999999 ppm", "share_ppm"))
    if problems:
        raise Refused(*problems)
    try:
        with transaction.atomic():
            Contract.objects.select_for_update(no_key=True).get(pk=contract.pk)
            if share_ppm is not None:
                shares = contract.parties.filter(role="co_lender").values_list("share_ppm", flat=True)
                if sum(s or 0 for s in shares) + share_ppm >= PPM:
                    raise refuse("bad_share", "the shares of the co-lenders would reach the whole loan", "share_ppm")
            row = LoanParty.objects.create(
                contract=contract, party=party, role=role, cap_minor=cap_minor, share_ppm=share_ppm, valid_from=valid_from,
                valid_to=valid_to, recorded_at=now(),
            )  # fmt: skip
            log(actor, "loan_party.add", "loan", contract.number, {"party": party.reference, "role": role})
    except IntegrityError as error:
        raise refuse("there_already", "this party has this role from this day already", "party") from error
    return row


def collateral_add(contract: Contract, *, kind: str, value_minor: int, valued_on: date, actor: str) -> Collateral:
    """Record one thing that secures a loan, and what it was worth on a day. Raises Refused for a value out of bounds."""
    if not 0 < value_minor <= PRINCIPAL_MINOR_MAX:
        raise refuse("bad_value", f"the value must lie in 1..{PRINCIPAL_MINOR_MAX} minor units", "value")
    with transaction.atomic():
        row = Collateral.objects.create(
            contract=contract, kind=kind, value_minor=value_minor, valued_on=valued_on, recorded_at=now()
        )
        log(actor, "collateral.add", "loan", contract.number, {"kind": kind})
    return row
