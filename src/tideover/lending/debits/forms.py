"""What a borrower fills in to let us debit their account, and the words that they agree to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tideover.lending.debits.mandates import ACCOUNT_NUMBER, Account
from tideover.lending.forms import amount_read
from tideover.lending.words import money

BANKS = {
    "ICBC": ("工商银行", "ICBC"),
    "CCB": ("建设银行", "China Construction Bank"),
    "ABC": ("农业银行", "Agricultural Bank of China"),
    "BOC": ("中国银行", "Bank of China"),
    "BCOM": ("交通银行", "Bank of Communications"),
    "PSBC": ("邮储银行", "Postal Savings Bank"),
    "CMB": ("招商银行", "China Merchants Bank"),
    "CIB": ("兴业银行", "Industrial Bank"),
    "SPDB": ("浦发银行", "SPD Bank"),
    "CITIC": ("中信银行", "China CITIC Bank"),
    "CEB": ("光大银行", "China Everbright Bank"),
    "CMBC": ("民生银行", "China Minsheng Bank"),
}
ACCOUNTS = (1, 2)


def bank_named(code: str, otherwise: str) -> str:
    """A bank in the page's language; one that is not listed as it was entered."""
    zh, en = BANKS.get(code, (otherwise, otherwise))
    return zh if (get_language() or "").startswith("zh") else en


@dataclass(slots=True)
class MandateForm:
    """Read from a request: values, and the problems as (id of the field, words)."""

    accounts: list[Account] = field(default_factory=list)
    cap_take_minor: int = 0
    cap_month_minor: int = 0
    payday: int | None = None
    part_allowed: bool = False
    problems: list[tuple[str, str]] = field(default_factory=list)


def mandate_read(post: QueryDict, holder: str) -> MandateForm:
    """What was filled in; every problem at once, each beside its field."""
    form = MandateForm(part_allowed=post.get("part") == "yes")
    for n in ACCOUNTS:
        number = "".join(post.get(f"number{n}", "").split())
        code = post.get(f"bank{n}", "")
        if not number and n > 1:
            continue
        if not ACCOUNT_NUMBER.fullmatch(number):
            form.problems.append((f"f-number{n}", _("Enter the account number: 8 to 30 digits")))
        elif any(a.number == number for a in form.accounts):
            form.problems.append((f"f-number{n}", _("This account is there already")))
        if code not in BANKS:
            form.problems.append((f"f-bank{n}", _("Choose the bank of the account")))
        else:
            form.accounts.append(Account(code, BANKS[code][0], holder, number))
    form.cap_take_minor = _amount(form, post, "cap_take")
    form.cap_month_minor = _amount(form, post, "cap_month")
    if form.cap_take_minor and form.cap_month_minor and form.cap_month_minor < form.cap_take_minor:
        form.problems.append(("f-cap_month", _("The most in a month cannot be less than the most at once")))
    payday = post.get("payday", "").strip()
    if payday.isascii() and payday.isdecimal() and 1 <= int(payday) <= 31:
        form.payday = int(payday)
    elif payday:
        form.problems.append(("f-payday", _("Enter the day of the month, 1 to 31, or leave it empty")))
    if post.get("agree") != "yes":
        form.problems.append(("f-agree", _("Tick that you agree, or go back")))
    return form


def _amount(form: MandateForm, post: QueryDict, name: str) -> int:
    try:
        return amount_read(post.get(name, ""))
    except ValueError:
        form.problems.append((f"f-{name}", _("Enter an amount, for example 5000")))
        return 0


def words(lender: str, cap_take: str, cap_month: str) -> list[str]:
    """The sentences that a borrower agrees to, in the page's language."""
    said: dict[str, Any] = {"lender": lender, "take": cap_take, "month": cap_month}
    return [
        _("%(lender)s may take from the accounts that I name what is due on my loans, from its due day on, and never more.")
        % said,
        _("At most %(take)s at once and %(month)s in a month. If the first account holds too little, the next one may be asked.")
        % said,
        _("I can withdraw this at any time, here, without giving a reason. It costs nothing."),
    ]


def words_agreed(lender: str, form: MandateForm) -> str:
    """The words as they stand in the record."""
    return "\n".join(words(lender, money(form.cap_take_minor), money(form.cap_month_minor)))
