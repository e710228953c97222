"""The people and facilities tapes: the loan tape gathered through the loans' parties and limits, with rows of their own.

A person with four loans, or who stands for another's, is one person. Only the party's reference is written, nothing personal.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
from django.db.models import Count, Q, Sum

from tideover.daily.lookups import day_bounds, holds_open
from tideover.engine.classify import CLASSES
from tideover.lending.models import Complaint, ContactRecord, Dispute, Facility, HelpRequest, Promise
from tideover.lending.sources import fetching
from tideover.tape.schema import arrow_schema

GUARANTORS = ("guarantor_general", "guarantor_joint", "guarantee_company", "insurer")
BORROWERS = ("borrower", "co_borrower")
WINDOW_DAYS = 7
PARTIES_SQL = """
SELECT p.id, p.reference, p.kind, b.code FROM lending_party p JOIN lending_branch b ON b.id = p.branch_id ORDER BY p.id
"""
PARTIES = pa.schema([("id", pa.int64()), ("reference", pa.string()), ("kind", pa.string()), ("branch", pa.string())])
ROLES_SQL = """
SELECT contract_id, party_id, role, cap_minor FROM lending_loanparty
WHERE role <> 'borrower' AND valid_from <= '{as_of}' AND (valid_to IS NULL OR valid_to > '{as_of}')
"""
ROLES = pa.schema([("contract_id", pa.int64()), ("party_id", pa.int64()), ("role", pa.string()), ("cap", pa.int64())])
ROWS = (
    "holds_open", "promises_live", "promised_amount", "disputes_open", "complaints_open", "help_requests_open",
    "contacts_out_1d", "contacts_out_7d", "contacts_in_7d",
)  # fmt: skip
"""Columns that come from a party's own rows."""
OWN_ROWS = pa.schema([("party_id", pa.int64()), *((name, pa.int64()) for name in ROWS)])
PEOPLE_SQL = """
WITH parts AS (
  SELECT l.* EXCLUDE (party_id), r.party_id, r.role IN {borrowers} AS owes, r.role IN {guarantors} AS stands, r.cap
  FROM loans l JOIN (SELECT DISTINCT ON (contract_id, party_id, owes_, stands_) * FROM (
    SELECT *, role IN {borrowers} AS owes_, role IN {guarantors} AS stands_ FROM roles
    UNION ALL SELECT contract_id, party_id, 'borrower', NULL, true, false FROM loans
  ) ORDER BY cap DESC NULLS FIRST) r USING (contract_id)
), sums AS (
  SELECT party_id,
    count(*) FILTER (owes AND is_open) AS loans_as_borrower,
    count(*) FILTER (stands AND is_open) AS loans_as_guarantor,
    count(*) FILTER (owes AND is_open AND days > 0) AS loans_overdue,
    max(days) FILTER (owes) AS worst_days_past_due,
    max(days) FILTER (stands) AS worst_days_past_due_guaranteed,
    sum(principal) FILTER (owes) AS exposure,
    sum(least(principal, coalesce(cap, principal))) FILTER (stands) AS exposure_guaranteed,
    sum(arrears) FILTER (owes) AS arrears_balance,
    max(category) FILTER (owes) AS category
  FROM parts GROUP BY party_id
)
SELECT DATE '{as_of}' AS data_cut_off_date, p.reference AS party_id, p.kind AS party_kind, p.branch,
  coalesce(loans_as_borrower, 0) AS loans_as_borrower, coalesce(loans_as_guarantor, 0) AS loans_as_guarantor,
  coalesce(loans_overdue, 0) AS loans_overdue, coalesce(worst_days_past_due, 0) AS worst_days_past_due,
  coalesce(worst_days_past_due_guaranteed, 0) AS worst_days_past_due_guaranteed,
  coalesce(exposure, 0) AS exposure, coalesce(exposure_guaranteed, 0) AS exposure_guaranteed,
  coalesce(arrears_balance, 0) AS arrears_balance, {classes}[category + 1] AS worst_category, {rows}
FROM parties p LEFT JOIN sums s ON s.party_id = p.id LEFT JOIN own_rows o ON o.party_id = p.id
  LEFT JOIN (SELECT DISTINCT party_id FROM limits) f ON f.party_id = p.id
WHERE s.party_id IS NOT NULL OR o.party_id IS NOT NULL OR f.party_id IS NOT NULL
ORDER BY p.reference
"""
FACILITIES_SQL = """
WITH drawn AS (
  SELECT facility_id, sum(principal) AS drawn, count(*) FILTER (is_open) AS drawdowns_open, max(days) AS worst
  FROM loans WHERE facility_id IS NOT NULL GROUP BY facility_id
)
SELECT DATE '{as_of}' AS data_cut_off_date, l.number AS facility_id, l.party AS party_id, l.entity AS originator_id,
  l.limit_amount, coalesce(drawn, 0) AS drawn,
  CASE WHEN l.is_frozen OR l.expires_on < DATE '{as_of}' THEN 0
    ELSE greatest(0, l.limit_amount - coalesce(drawn, 0)) END AS undrawn,
  coalesce(drawdowns_open, 0) AS drawdowns_open, coalesce(worst, 0) AS worst_days_past_due, l.is_frozen, l.opened_on, l.expires_on
FROM limits l LEFT JOIN drawn ON drawn.facility_id = l.number
ORDER BY l.number
"""
LIMITS = pa.schema(
    [
        ("number", pa.string()), ("party_id", pa.int64()), ("party", pa.string()), ("entity", pa.string()),
        ("limit_amount", pa.int64()), ("is_frozen", pa.bool_()), ("opened_on", pa.date32()), ("expires_on", pa.date32()),
    ]
)  # fmt: skip


def people_and_facilities(
    loans: pa.Table, ids: pa.Array, borrowers: pa.Array, as_of: date, cut_off: datetime
) -> tuple[pa.Table, pa.Table]:
    """Both tapes of a day. loans: its loan tape; ids, borrowers: contract id and borrower's party id of each row."""
    with fetching() as fetch:
        parties, roles = fetch(PARTIES_SQL, PARTIES), fetch(ROLES_SQL.format(as_of=as_of), ROLES)
    given = {
        "loans": _loans(loans, ids, borrowers),
        "roles": roles,
        "parties": parties,
        "own_rows": own_rows(as_of, cut_off),
        "limits": limits(as_of),
    }
    words = {
        "as_of": as_of,
        "borrowers": BORROWERS,
        "guarantors": GUARANTORS,
        "classes": list(CLASSES),
        "rows": ", ".join(f"coalesce({name}, 0) AS {name}" for name in ROWS),
    }
    with duckdb.connect() as link:
        for name, table in given.items():
            link.register(name, table)
        made = [link.sql(sql.format(**words)).to_arrow_table() for sql in (PEOPLE_SQL, FACILITIES_SQL)]
    return _typed(made[0], "people"), _typed(made[1], "facilities")


def _typed(table: pa.Table, name: str) -> pa.Table:
    schema = arrow_schema(name)
    return pa.Table.from_arrays([table[f.name].cast(f.type) for f in schema], schema=schema)


def _loans(loans: pa.Table, ids: pa.Array, borrowers: pa.Array) -> pa.Table:
    """What the gathering needs of each loan. is_open: anything but closed; a loan that could not be replayed counts as open."""
    with duckdb.connect() as link:
        narrow = loans.select(
            ["facility_id", "current_principal_balance", "days_past_due", "arrears_balance", "five_category", "bucket"]
        )
        link.register("given", narrow.append_column("contract_id", ids).append_column("party_id", borrowers))
        return link.sql(f"""
            SELECT contract_id, party_id, facility_id, current_principal_balance AS principal, days_past_due AS days,
              arrears_balance AS arrears, bucket IS DISTINCT FROM 'closed' AS is_open,
              list_position({list(CLASSES)}, five_category::VARCHAR) - 1 AS category
            FROM given""").to_arrow_table()


def own_rows(as_of: date, cut_off: datetime) -> pa.Table:
    """How many rows of each kind a party has, as known at the cut-off (parties without any are left out)."""
    found: dict[int, dict[str, int]] = {}
    start, end = day_bounds(as_of)
    at = min(cut_off, end)
    known = Q(recorded_at__lte=cut_off)
    live = known & Q(promised_on__lte=as_of, due_on__gte=as_of) & (Q(withdrawn_at=None) | Q(withdrawn_at__gt=at))
    open_days = known & Q(opened_on__lte=as_of) & (Q(closed_on=None) | Q(closed_on__gt=as_of))
    open_times = known & Q(opened_at__lte=at) & (Q(closed_at=None) | Q(closed_at__gt=at))
    week = start - timedelta(days=WINDOW_DAYS - 1)
    contacts = ContactRecord.objects.filter(known, at__gte=week, at__lt=end)
    _count(found, holds_open(as_of, cut_off), holds_open=Count("pk"))
    _count(found, Promise.objects.filter(live), promises_live=Count("pk"), promised_amount=Sum("amount_minor"))
    _count(found, Dispute.objects.filter(open_days), disputes_open=Count("pk"))
    _count(found, Complaint.objects.filter(open_days), complaints_open=Count("pk"))
    _count(found, HelpRequest.objects.filter(open_times), help_requests_open=Count("pk"))
    _count(
        found,
        contacts,
        contacts_out_1d=Count("pk", filter=Q(direction="out", at__gte=start)),
        contacts_out_7d=Count("pk", filter=Q(direction="out")),
        contacts_in_7d=Count("pk", filter=Q(direction="in")),
    )
    rows = [{"party_id": party, **found[party]} for party in sorted(found)]
    return pa.Table.from_pylist(rows, schema=OWN_ROWS)


def _count(found: dict[int, dict[str, int]], rows: Any, **sums: Any) -> None:
    for row in rows.order_by().values("party_id").annotate(**sums):
        found.setdefault(row.pop("party_id"), {}).update(row)


def limits(as_of: date) -> pa.Table:
    """Facilities that were opened by the day."""
    names = ("number", "party_id", "party__reference", "entity__code", "limit_minor", "frozen", "opened_on", "expires_on")
    rows = list(Facility.objects.filter(opened_on__lte=as_of).order_by("number").values_list(*names))
    columns = zip(*rows, strict=True) if rows else [() for _ in LIMITS]
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, LIMITS, strict=True)], schema=LIMITS)
