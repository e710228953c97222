"""The demo lender's bank: an account, a statement (a batch's credit, money nobody claimed), a file that does not add up."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

from tideover.lending.models import BankAccount, Contract, DebitBatch
from tideover.lending.models.organisation import BookMode
from tideover.lending.statements.rules.line import BadStatement
from tideover.lending.statements.services import account_open, statement_import

NUMBER = "1100000000000000018"
HEADER = "记账日,交易日期,支出,收入,账户余额,币种,摘要,对方账号,对方户名,交易地点"


def statements(as_of: date) -> int:
    """Make the account and take in its statement, once; how many lines. Late borrowers pay without saying enough."""
    if BankAccount.objects.filter(number=NUMBER).exists():
        return 0
    late = Contract.objects.filter(
        entity__book_mode=BookMode.RECORD, standing__overdue_minor__gt=0, borrower__user=None
    ).exclude(standing__bucket="written_off")  # fmt: skip
    loans = list(late.select_related("borrower", "standing", "entity").order_by("standing__days_past_due", "pk")[:4])
    if not loans:
        return 0
    account_open(
        entity=loans[0].entity,
        number=NUMBER,
        name="还款专户",
        bank="示例银行",
        opened_on=as_of - timedelta(days=400),
        actor="demo",
    )
    rows: list[tuple[str, str, str, str, str]] = []
    for n, loan in enumerate(loans):
        name, amount = str(loan.borrower.name), f"{loan.standing.overdue_minor / 100:.2f}"  # type: ignore[attr-defined]
        said = ((f"{name[0]}*", loan.number), (f"{name[0]}*", "还款"), ("王小梅", f"代{loan.number}还款"), (name, ""))[n]
        rows.append(("", amount, f"621700000000000{n:04}", said[0], said[1]))
    rows += [
        ("", "880.00", "6217000000000099", "赵先生", "谢谢"),
        ("15.00", "", "", "", "手续费"),
        ("3200.00", "", "", "物业公司", "房租"),
    ]
    day = as_of - timedelta(days=1)
    settled = DebitBatch.objects.filter(entity=loans[0].entity, state="settled", debit_on=day, taken_minor__gt=0)
    rows += [("", f"{b.taken_minor / 100:.2f}", "", "代扣业务待清算", f"代扣清算 {b.number}") for b in settled.order_by("pk")]
    statement_import(_table(day, rows), f"{day:%Y%m%d}.csv", actor="payments", account=NUMBER)
    with suppress(BadStatement):  # the page shows what was wrong with it
        changed = _table(day, rows[:2]).replace(rows[1][1].encode(), b"1.00", 1)
        statement_import(changed, f"{day:%Y%m%d}-2.csv", actor="payments", account=NUMBER)
    return len(rows)


def _table(day: date, rows: list[tuple[str, str, str, str, str]]) -> bytes:
    """Rows (out, in, account, name, words) in the layout of a bank's own table, with the balance after each."""
    said, left = [HEADER], 50_000_00
    for went, came, account, name, words in rows:
        left += round(float(came or 0) * 100) - round(float(went or 0) * 100)
        text = "手续费" if words == "手续费" else "转账"
        said.append(f"{day:%Y%m%d},{day:%Y%m%d},{went},{came},{left / 100:.2f},人民币,{text},{account},{name},{words}")
    return "\r\n".join(said).encode("gb18030")
