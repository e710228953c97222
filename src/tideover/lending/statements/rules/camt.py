"""CAMT.053 (ISO 20022 bank to customer statement), any version: elements are found by their local names.

The versions differ in small things: `Sts` holds BOOK (02) or `Cd` holds it (08); a party is `Dbtr/Nm` or `Dbtr/Pty/Nm`; a
payment's amount is in `AmtDtls/TxAmt/Amt` or in `Amt`. The sign is said by CdtDbtInd alone; RvslInd does not turn it round.
Entities, external files and the network are off; a file that declares a document type is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from tideover.lending.statements.rules.line import (
    CURRENCIES,
    BadStatement,
    Line,
    Reject,
    Statement,
    balances_check,
    clean,
    day_of,
    minor_of,
    split_ids,
    text_of,
)

RAW_MAX = 1000
NOT_PROVIDED = frozenset({"NOTPROVIDED", "NOTPROVIDED.", "NONREF", "NOT PROVIDED"})


def camt_read(data: bytes) -> list[Statement]:
    """Every statement of a CAMT.053 file.

    Raises BadStatement: no XML, a document type, no CAMT.053, another currency than CNY, or totals that do not hold (with where).
    Entries that are not booked are in `pending` of their statement, those that cannot be read in `rejects`.
    """
    root = _root(data)
    found = [_statement(s, f"Stmt {n}") for n, s in enumerate(_all(root, "BkToCstmrStmt", "Stmt"), start=1)]
    if not found:
        raise BadStatement("not_camt", "this is no CAMT.053: it has no BkToCstmrStmt/Stmt")
    for statement in found:
        balances_check(statement)
    return found


def _root(data: bytes) -> Any:
    if b"<!DOCTYPE" in data[:100_000].upper() or b"<!ENTITY" in data.upper():
        raise BadStatement("entities", "the file declares a document type or entities: no bank sends that, and it is not read")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    try:
        tree = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise BadStatement("not_xml", f"the file is no sound XML in the encoding that it declares: {error.msg}") from error
    if tree.getroottree().docinfo.doctype:
        raise BadStatement("entities", "the file declares a document type: no bank sends that, and it is not read")
    return tree


def _name(node: Any) -> str:
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _children(node: Any, name: str) -> Iterator[Any]:
    return (c for c in node if _name(c) == name)


def _all(node: Any, *path: str) -> list[Any]:
    nodes = [node]
    for name in path:
        nodes = [c for n in nodes for c in _children(n, name)]
    return nodes


def _one(node: Any, *path: str) -> str:
    """The text of the first element at a path; empty when there is none."""
    found = _all(node, *path)
    return clean(found[0].text) if found else ""


def _first(node: Any, *paths: tuple[str, ...]) -> str:
    return next((text for path in paths if (text := _one(node, *path))), "")


def _account_of(node: Any) -> str:
    """The number of an account: IBAN, or the bank's own (Othr), which is normal in China."""
    return _first(node, ("Id", "IBAN"), ("Id", "Othr", "Id")).replace(" ", "")


def _statement(node: Any, place: str) -> Statement:
    accounts = _all(node, "Acct")
    account = _account_of(accounts[0]) if accounts else ""
    if not account:
        raise BadStatement("no_account", "the statement names no account (Acct/Id/IBAN or Acct/Id/Othr/Id)", place)
    place = f"{place} ({account})"
    currency = _one(node, "Acct", "Ccy")
    out = Statement(account, currency, _first(node, ("Id",), ("ElctrncSeqNb",)), place=place)
    for balance in _all(node, "Bal"):
        _balance(out, balance)
    for n, entry in enumerate(_all(node, "Ntry"), start=1):
        where = f"{place} Ntry {_one(entry, 'NtryRef') or n}"
        if (status := _first(entry, ("Sts", "Cd"), ("Sts",))) != "BOOK":
            out.pending.append(Reject(where, f"the entry is {status or 'of no status'}, not booked yet", _raw(entry)))
            continue
        try:
            out.lines += _entry(out, entry, where)
        except ValueError as error:
            out.rejects.append(Reject(where, str(error), _raw(entry)))
    out.currency = out.currency or "CNY"
    return out


def _raw(node: Any) -> str:
    return str(etree.tostring(node, encoding="unicode", with_tail=False))[:RAW_MAX]


def _balance(out: Statement, node: Any) -> None:
    """OPBD (or, where a statement goes on from another page, PRCD) and CLBD."""
    kind = _one(node, "Tp", "CdOrPrtry", "Cd")
    if kind not in ("OPBD", "PRCD", "CLBD"):
        return
    place = f"{out.place} Bal {kind}"
    try:
        amount = _money(out, node, place)
        on = day_of(_first(node, ("Dt", "Dt"), ("Dt", "DtTm")))
    except ValueError as error:
        raise BadStatement("bad_balance", str(error), place) from error
    amount = amount if _direction(node, place) == "credit" else -amount
    if kind == "CLBD":
        out.closing_minor, out.closed_on = amount, on
    elif out.opening_minor is None or kind == "OPBD":
        out.opening_minor, out.opened_on = amount, on


def _money(out: Statement, node: Any, place: str, *path: str) -> int:
    """Minor units of `Amt`, whose currency must be that of the account. Raises BadStatement for another, ValueError for none."""
    found = _all(node, *path, "Amt")
    if not found:
        raise ValueError("there is no amount (Amt)")
    currency = found[0].get("Ccy") or out.currency
    out.currency = out.currency or currency
    if currency != out.currency or currency not in CURRENCIES:
        raise BadStatement("currency", f"the amount is in {currency}; this book keeps {', '.join(CURRENCIES)}", place)
    amount = minor_of(found[0].text or "", CURRENCIES[currency])
    if amount < 0:
        raise ValueError("an amount has no sign here: CdtDbtInd says it")
    return amount


def _direction(node: Any, place: str) -> Any:
    said = {"CRDT": "credit", "DBIT": "debit"}.get(_one(node, "CdtDbtInd"))
    if said is None:
        raise BadStatement("no_direction", "CdtDbtInd is neither CRDT nor DBIT", place)
    return said


def _entry(out: Statement, entry: Any, place: str) -> list[Line]:
    """One entry as lines: one, or one a payment where it stands for several. Raises BadStatement when the parts miss its sum."""
    amount, direction = _money(out, entry, place), _direction(entry, place)
    if not amount:
        raise ValueError("the amount is zero")
    booked = day_of(_first(entry, ("BookgDt", "Dt"), ("BookgDt", "DtTm"), ("ValDt", "Dt"), ("ValDt", "DtTm")))
    value_text = _first(entry, ("ValDt", "Dt"), ("ValDt", "DtTm"))
    value = day_of(value_text) if value_text else booked
    details = _all(entry, "NtryDtls", "TxDtls")
    note = _one(entry, "AddtlNtryInf")
    reversal = _one(entry, "RvslInd").lower() in ("true", "1")
    entry_id = _first(entry, ("AcctSvcrRef",))
    whole = Line(place, booked, value, amount, direction, text=text_of(note), reversal=reversal)
    if not details:
        return split_ids([whole], entry_id)
    if len(details) == 1:
        return split_ids([_part(whole, details[0], amount, direction, note)], entry_id)
    parts = []
    for n, detail in enumerate(details, start=1):
        part, turned = _part_money(out, detail, f"{place} TxDtls {n}", direction)
        if part is None:
            raise BadStatement("batch", "a payment of a batch entry has no amount of its own", f"{place} TxDtls {n}")
        parts.append(_part(whole, detail, part, turned, "", f"{place} TxDtls {n}"))
    total = sum(p.signed_minor for p in parts)
    if total != whole.signed_minor:
        message = f"the payments of this entry come to {abs(total) / 100:.2f}, the entry says {amount / 100:.2f}"
        raise BadStatement("batch", message, place)
    return split_ids(parts, entry_id)


def _part_money(out: Statement, detail: Any, place: str, direction: Any) -> tuple[int | None, Any]:
    for path in ((), ("AmtDtls", "TxAmt"), ("AmtDtls", "InstdAmt")):
        if _all(detail, *path, "Amt"):
            turned = _direction(detail, place) if _one(detail, "CdtDbtInd") else direction
            return _money(out, detail, place, *path), turned
    return None, direction


def _part(whole: Line, detail: Any, amount: int, direction: Any, note: str, place: str = "") -> Line:
    """A payment of an entry: the other side is the debtor of money that came, the creditor of money that went.

    Of a line that takes money back, both may be told the other way round; the side that is named is taken.
    """
    came = direction == "credit"
    sides = ("Dbtr", "Cdtr") if came != whole.reversal else ("Cdtr", "Dbtr")
    parties = (_all(detail, "RltdPties") or [detail])[0]
    side = next((s for s in sides if _named(parties, s)), sides[0])
    agents = _all(detail, "RltdAgts", f"{side}Agt", "FinInstnId")
    end_to_end = _one(detail, "Refs", "EndToEndId")
    structured = [clean(n.text) for n in _all(detail, "RmtInf", "Strd", "CdtrRefInf", "Ref")]
    said = [clean(n.text) for n in _all(detail, "RmtInf", "Ustrd")]
    return Line(
        place=place or whole.place,
        booked_on=whole.booked_on,
        value_on=whole.value_on,
        amount_minor=amount,
        direction=direction,
        name=_first(parties, (side, "Nm"), (side, "Pty", "Nm")),
        account=_account_of(found[0]) if (found := _all(parties, f"{side}Acct")) else "",
        bank=_first(agents[0], ("Nm",), ("BICFI",), ("BIC",)) if agents else "",
        reference=text_of(*structured, *said),
        end_to_end="" if end_to_end.upper() in NOT_PROVIDED else end_to_end,
        text=text_of(note, _one(detail, "AddtlTxInf")),
        bank_id=_one(detail, "Refs", "AcctSvcrRef"),
        reversal=whole.reversal,
    )


def _named(parties: Any, side: str) -> bool:
    return bool(_first(parties, (side, "Nm"), (side, "Pty", "Nm")) or _all(parties, f"{side}Acct"))
