"""A small lender for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from tideover.core.business_time import business_date, now
from tideover.core.models import Role, User
from tideover.lending.debits.mandates import Account, mandate_give
from tideover.lending.debits.selectors import mandate_live
from tideover.lending.models import Branch, Contract, Debit, DebitBatch, LegalEntity, Mandate, Party, Staff
from tideover.lending.products import CATALOGUE, product_load
from tideover.lending.services import contract_open


@dataclass
class House:
    entity: LegalEntity
    branch: Branch
    other_branch: Branch
    staff: dict[str, User]
    borrower: Party
    other_borrower: Party
    loan: Contract
    second_loan: Contract
    other_loan: Contract


def party(reference: str, name: str, branch: Branch, phone: str, user: User | None = None) -> Party:
    p = Party(reference=reference, kind="person", name=name, phone=phone, id_number=f"000000{reference[-4:]:0>12}", branch=branch)
    p.user, p.created_at = user, now()
    p.hash_fields()
    p.save()
    return p


def loan(
    number: str,
    borrower: Party,
    branch: Branch,
    manager: Staff | None = None,
    disbursed_on: date = date(2026, 1, 20),
    first_due_on: date = date(2026, 2, 20),
) -> Contract:
    product = product_load((CATALOGUE / "consumer_equal_principal.yaml").read_text(encoding="utf-8"))
    return contract_open(
        number=number,
        product=product,
        borrower=borrower,
        branch=branch,
        manager=manager,
        principal_minor=1_200_000,
        annual_rate_ppm=60_000,
        signed_on=disbursed_on,
        disbursed_on=disbursed_on,
        instalments=3,
        first_due_on=first_due_on,
        due_day=first_due_on.day,
        actor="test",
    )


def house_build() -> House:
    start = date(2020, 1, 1)
    entity = LegalEntity.objects.create(code="BANK", name_zh="潮银行", name_en="Tide Bank", valid_from=start)
    branches = [
        Branch.objects.create(entity=entity, code=c, name_zh=z, name_en=e, region="zhejiang", valid_from=start)
        for c, z, e in (("HZ", "杭州分行", "Hangzhou"), ("NB", "宁波分行", "Ningbo"))
    ]
    staff: dict[str, User] = {}
    manager = None
    for n, role in enumerate(r for r in Role if r != Role.BORROWER):
        user = User.objects.create_user(username=role.value, role=role)
        narrow = role in (Role.BRANCH_HEAD, Role.CUSTOMER_MANAGER, Role.COLLECTOR, Role.TELLER)
        post = Staff.objects.create(
            user=user, number=f"S{n:03}", name_zh="陈明", name_en="Chen Ming", entity=entity,
            branch=branches[0] if narrow else None, valid_from=start,
        )  # fmt: skip
        manager = post if role == Role.CUSTOMER_MANAGER else manager
        staff[role.value] = user
    staff["borrower"] = User.objects.create_user(username="borrower", role=Role.BORROWER)
    mine = party("P-0001", "李明", branches[0], "19900000001", staff["borrower"])
    other = party("P-0002", "王芳", branches[1], "19900000002")
    return House(
        entity, branches[0], branches[1], staff, mine, other,
        loan("T-1", mine, branches[0], manager), loan("T-2", mine, branches[0]), loan("T-3", other, branches[1]),
    )  # fmt: skip


def mandate(loan: Contract, **values: object) -> Mandate:
    """A mandate of a loan's borrower with two accounts, caps far off."""
    accounts = [Account("ICBC", "工商银行", loan.borrower.name, f"62220000{n}{loan.borrower_id:07}") for n in (1, 2)]
    said = {"cap_take_minor": 10**8, "cap_month_minor": 10**9, "words": "I agree", "how": "app", "actor": "borrower", **values}
    return mandate_give(loan.borrower, loan.entity, accounts=accounts, **said)  # type: ignore[arg-type]


def debit(loan: Contract, state: str = "unknown", amount_minor: int = 500, reference: str = "D-1") -> Debit:
    """A debit of a loan as a row; the journal hears nothing of it."""
    leave = mandate_live(loan.borrower_id, loan.entity_id) or mandate(loan)
    batch, _ = DebitBatch.objects.get_or_create(
        number=f"B-{reference}", entity=loan.entity, channel="file", debit_on=business_date(),
        defaults={"cut_off_at": now() + timedelta(hours=1), "made_at": now(), "made_by": "t", "state": "out"},
    )  # fmt: skip
    return Debit.objects.create(
        contract=loan, reference=reference, amount_minor=amount_minor, state=state, mandate=leave, batch=batch, attempt=1,
        account=leave.accounts.earliest("rank"), due_on=business_date(), debit_on=business_date(), drafted_at=now(),
        sent_at=None if state == "drafted" else now(),
    )  # fmt: skip
