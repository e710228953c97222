"""Statements made for the tests; the project's own samples where they are at hand."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

SAMPLES = Path(os.environ.get("TIDEOVER_SHARED", "/nowhere")) / "formats" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not on this machine")
ACCOUNT = "1100000000000000001"


@dataclass(frozen=True)
class Paid:
    """A payment: amount in yuan, the payer's words, name, account, the bank's id; `out`: money that went."""

    amount: str
    words: str = ""
    name: str = ""
    account: str = ""
    id: str = ""
    end_to_end: str = "NOTPROVIDED"
    out: bool = False
    reversal: bool = False
    note: str = ""


def fen(amount: str) -> int:
    return round(float(amount) * 100)


def camt(*paid: Paid, day: str = "2026-03-10", opening: str = "1000.00", version: str = "02", account: str = ACCOUNT,
         closing: str = "", currency: str = "CNY", head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:  # fmt: skip
    """A CAMT.053 of one account and day; `closing` other than the sum makes it wrong."""
    total = fen(opening) + sum(-fen(p.amount) if p.out else fen(p.amount) for p in paid)
    closing = closing or f"{total / 100:.2f}"
    status = "<Sts>BOOK</Sts>" if version == "02" else "<Sts><Cd>BOOK</Cd></Sts>"
    entries = "".join(_entry(n, p, day, status, version, currency) for n, p in enumerate(paid, start=1))

    def balance(kind: str, amount: str) -> str:
        sign = "DBIT" if amount.startswith("-") else "CRDT"
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='{currency}'>{amount.lstrip('-')}</Amt>"
            f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        )

    text = (
        f"{head}<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}'><BkToCstmrStmt><Stmt><Id>S1</Id>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>{currency}</Ccy></Acct>{balance('OPBD', opening)}"
        f"{balance('CLBD', closing)}{entries}</Stmt></BkToCstmrStmt></Document>"
    )
    return text.encode()


def _entry(n: int, p: Paid, day: str, status: str, version: str, currency: str) -> str:
    side, sign = ("Cdtr", "DBIT") if p.out else ("Dbtr", "CRDT")
    name = f"<Nm>{p.name}</Nm>" if version == "02" else f"<Pty><Nm>{p.name}</Nm></Pty>"
    party = f"<{side}>{name}</{side}>" if p.name else ""
    account = f"<{side}Acct><Id><Othr><Id>{p.account}</Id></Othr></Id></{side}Acct>" if p.account else ""
    return (
        f"<Ntry><NtryRef>{n}</NtryRef><Amt Ccy='{currency}'>{p.amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>"
        f"{'<RvslInd>true</RvslInd>' if p.reversal else ''}{status}<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt>"
        f"{f'<AcctSvcrRef>{p.id}</AcctSvcrRef>' if p.id else ''}<NtryDtls><TxDtls><Refs><EndToEndId>{p.end_to_end}</EndToEndId>"
        f"</Refs><RltdPties>{party}{account}</RltdPties><RmtInf><Ustrd>{p.words}</Ustrd></RmtInf></TxDtls></NtryDtls>"
        f"<AddtlNtryInf>{p.note}</AddtlNtryInf></Ntry>"
    )


def table(*rows: tuple[str, str, str, str, str, str], opening: str = "1000.00") -> bytes:
    """A table in CCB's layout: (day, out, in, name, account, words) a row, with running balances, GB18030."""
    said, left = ["记账日,交易日期,支出,收入,账户余额,币种,摘要,对方账号,对方户名,交易地点"], fen(opening)
    for day, went, came, name, account, words in rows:
        left += fen(came or "0") - fen(went or "0")
        said.append(f"{day},{day},{went},{came},{left / 100:.2f},人民币,转账,{account},{name},{words}")
    return "\r\n".join(said).encode("gb18030")
