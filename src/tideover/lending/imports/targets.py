"""The columns that each kind of import knows. Loan tape names are the field's (EU ITS, ESMA, Fannie Mae; docs/import.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Type(Enum):
    """TEXT str · MONEY int64 minor units · RATE int64 ppm · DATE int32 days since 1970-01-01 · INTEGER int64 ·
    INSTANT int64 microseconds since 1970-01-01 UTC."""

    TEXT = "text"
    MONEY = "money"
    RATE = "rate"
    DATE = "date"
    INTEGER = "integer"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Target:
    """One column. `low`/`high`: bounds of numbers (minor units for money). `longest`: characters of a text."""

    name: str
    type: Type = Type.TEXT
    required: bool = False
    required_by: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    longest: int = 80
    choices: tuple[str, ...] = ()


def _money(name: str, *, required_by: tuple[str, ...] = (), required: bool = False, low: int = 0) -> Target:
    return Target(name, Type.MONEY, required, required_by, low, 10**13)


def _date(name: str, *, required: bool = False, required_by: tuple[str, ...] = ()) -> Target:
    return Target(name, Type.DATE, required, required_by)


TAPE = (
    _date("data_cut_off_date", required_by=("balances",)),
    Target("loan_id", required=True, longest=30),
    Target("borrower_id", required=True, longest=20),
    Target("branch_code", required=True, longest=20),
    Target("product_code", required=True, longest=40),
    Target("currency", longest=3),
    Target("channel", longest=20),
    Target("purpose", longest=40),
    _date("origination_date", required=True),
    _date("first_payment_date", required_by=("level",)),
    _date("maturity_date"),
    Target("original_term", Type.INTEGER, required_by=("level",), low=0, high=1200),
    Target("remaining_term", Type.INTEGER, low=0, high=1200),
    Target("payment_every_days", Type.INTEGER, low=0, high=366),
    _money("original_principal_balance", required_by=("product", "level", "balances"), low=1),
    _money("total_due", required_by=("level",)),
    _money("current_principal_balance", required_by=("balances",)),
    _money("accrued_interest"),
    _money("fees_outstanding"),
    _money("penalty_outstanding"),
    _money("total_balance"),
    Target("interest_rate", Type.RATE, required=True, low=0, high=10_000_000),
    _money("scheduled_payment"),
    _date("next_payment_date"),
    _money("arrears_balance"),
    _money("arrears_principal"),
    _money("arrears_interest"),
    Target("days_past_due", Type.INTEGER, low=0, high=20_000),
    _date("due_on", required_by=("rows",)),
    _money("due_principal", required_by=("rows",)),
    _money("due_interest"),
)
PAYMENTS = (
    Target("loan_id", required=True, longest=30),
    _money("amount", required=True, low=1),
    _date("effective_on", required=True),
    Target("reference", longest=60),
)
EVENT_KINDS = (
    "payment", "prepayment", "repay_part", "payoff", "charge", "waiver", "reversal", "chargeback", "adjustment", "credit_refund",
    "disbursement", "extension", "settlement", "insolvency", "acceleration", "write_off", "rate_change",
)  # fmt: skip
COMPONENTS = ("principal", "interest", "penalty", "compound", "fee", "third_party_fee", "recovery_cost")
EVENTS = (
    Target("loan_id", required=True, longest=30),
    Target("kind", required=True, choices=EVENT_KINDS),
    _date("effective_on", required=True),
    _money("amount"),
    Target("reference", required=True, longest=60),
    Target("of_reference", longest=60),
    Target("component", choices=COMPONENTS),
    _date("due_on"),
    _date("until"),
    Target("rate", Type.RATE, low=0, high=10_000_000),
    Target("recorded_at", Type.INSTANT),
)
PEOPLE = (
    Target("borrower_id", required=True, longest=20),
    Target("kind", choices=("person", "enterprise")),
    Target("name", longest=120),
    Target("id_number", longest=40),
    Target("phone", longest=30),
    Target("address", longest=300),
    Target("email", longest=120),
    Target("wecom_id", longest=64),
    Target("mini_program_id", longest=64),
    Target("region", longest=40),
    Target("industry", longest=40),
    Target("birth_year", Type.INTEGER, low=1900, high=2100),
    _money("monthly_income"),
    Target("language", choices=("zh-hans", "en")),
    Target("branch_code", required=True, longest=20),
)
CONTACTS = (
    Target("borrower_id", required=True, longest=20),
    Target("loan_id", longest=30),
    Target("at", Type.INSTANT, required=True),
    Target("direction", required=True, choices=("in", "out")),
    Target("channel", required=True, longest=20),
    Target("outcome", longest=30),
    Target("seconds", Type.INTEGER, low=0, high=86_400),
)
PROMISES = (
    Target("borrower_id", required=True, longest=20),
    Target("loan_id", longest=30),
    _money("amount", required=True, low=1),
    _date("promised_on", required=True),
    _date("due_on", required=True),
)
COMPLAINTS = (
    Target("borrower_id", required=True, longest=20),
    Target("loan_id", longest=30),
    Target("source", required=True, longest=30),
    _date("opened_on", required=True),
    _date("closed_on"),
    Target("subject", required=True, longest=80),
)
LEDGER_FIGURES = (
    "current_principal_balance", "interest_due", "accrued_interest", "penalty_outstanding", "compound_outstanding",
    "fees_outstanding", "recovery_cost_outstanding", "surplus", "total_balance", "arrears_balance", "arrears_principal",
    "arrears_interest", "due_unpaid", "due_in_period", "paid_in_period", "days_past_due",
)  # fmt: skip
LEDGER = (
    Target("loan_id", required=True, longest=30),
    _date("data_cut_off_date", required=True),
    *(Target(n, Type.INTEGER if n == "days_past_due" else Type.MONEY) for n in LEDGER_FIGURES),
)
CORE_COMPONENTS = {
    "principal": "current_principal_balance", "interest": "interest_due", "accrued": "accrued_interest",
    "penalty": "penalty_outstanding", "compound": "compound_outstanding", "fee": "fees_outstanding",
    "recovery_cost": "recovery_cost_outstanding", "surplus": "surplus",
}  # fmt: skip
"""Component of a core's balance: its column (lending/rules/held.py)."""
CORE_BALANCES = (
    Target("loan_id", required=True, longest=30),
    _date("data_cut_off_date", required=True),
    Target("currency", longest=3),
    *(_money(n, required=n == "current_principal_balance") for n in CORE_COMPONENTS.values()),
    Target("total_balance", Type.MONEY),
    _money("arrears_balance"),
    _money("arrears_principal"),
    _money("arrears_interest"),
    Target("days_past_due", Type.INTEGER, low=0, high=20_000),
    _date("next_payment_date"),
    _money("next_payment_amount"),
)
CORE_PARTS = ("principal", "interest", "penalty", "compound", "fee", "recovery_cost")
CORE_MOVEMENTS = (
    Target("loan_id", required=True, longest=30),
    Target("data_cut_off_date", Type.DATE, required=True),
    Target("reference", required=True, longest=60),
    Target("kind", required=True, choices=EVENT_KINDS),
    _date("effective_on", required=True),
    _money("amount", required=True),
    *(_money(n) for n in CORE_PARTS),
    Target("instruction", longest=40),
)
KINDS: dict[str, tuple[Target, ...]] = {
    "tape": TAPE,
    "payments": PAYMENTS,
    "people": PEOPLE,
    "events": EVENTS,
    "contacts": CONTACTS,
    "promises": PROMISES,
    "complaints": COMPLAINTS,
    "ledger": LEDGER,
    "core_balances": CORE_BALANCES,
    "core_movements": CORE_MOVEMENTS,
}
COMMANDS = {
    "tape": ("tape",),
    "payments": ("payments",),
    "people": ("people",),
    "history": ("events", "contacts", "promises", "complaints"),
}
"""What each command takes: `tideover import history` reads every kind of the past. (A ledger is for `tideover conform`, the files
of a core for `tideover beside`.)"""
