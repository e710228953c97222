"""What the public files themselves say, worked out in SQL without any of Tideover's arithmetic: ledgers to compare with."""

from __future__ import annotations

from pathlib import Path

import duckdb

BERKA = """
-- At each month's end: shares due by then (the 12th of each month) less payments by then, and the days since the share that
-- the payments no longer reach fell due. Half a crown a month that the bank's rounding leaves is no arrears.
CREATE TABLE paid_loans AS SELECT contracts.*, payments * 100 AS share FROM contracts
    WHERE loan_id IN (SELECT loan_id FROM payments);
CREATE TABLE lines AS
SELECT loan_id, first_due, share, month_end AS day, datediff('month', first_due, month_end) + 1 AS count_due,
       coalesce((SELECT round(sum(p.amount) * 100) FROM payments AS p
                 WHERE p.loan_id = paid_loans.loan_id AND p.paid_on <= month_end), 0) AS paid
FROM paid_loans,
    (SELECT last_day(m)::DATE AS month_end FROM range(DATE '1993-07-01', DATE '1994-04-01', INTERVAL 1 MONTH) AS t(m))
WHERE granted <= month_end;
CREATE TABLE ledger AS
SELECT loan_id, day, greatest(0, greatest(0, count_due) * share - paid) AS arrears,
       CASE WHEN greatest(0, count_due) * share - paid <= 3000 THEN 0
            ELSE datediff('day', first_due + INTERVAL 1 MONTH * (paid // share)::INTEGER, day) END AS days_past_due
FROM lines ORDER BY loan_id, day;
"""
SUPERLENDER = """
-- The eve of the first repayment: nothing was paid, so the days past due are known exactly. The closing day: nothing is owed.
CREATE TABLE ledger AS
SELECT systemloanid AS loan_id, first_repaid - 1 AS day, greatest(0, (first_repaid - 1) - first_due) AS days_past_due,
       NULL AS total FROM contracts WHERE first_repaid > approved
UNION ALL SELECT systemloanid, closed, 0, 0 FROM contracts
ORDER BY 1, 2;
"""
HOMECREDIT = """
-- On every day on which something falls due or is paid: what is due by then less what is paid by then, never below zero.
CREATE TABLE moves AS
SELECT SK_ID_PREV AS loan_id, day, sum(due)::BIGINT AS due, sum(paid)::BIGINT AS paid FROM (
    SELECT SK_ID_PREV, due AS day, round(amount * 100) AS due, 0 AS paid FROM contracts
    UNION ALL SELECT SK_ID_PREV, paid, 0, round(amount * 100) FROM payments)
GROUP BY ALL;
CREATE TABLE ledger AS
SELECT loan_id, day, greatest(0, sum(due - paid) OVER (PARTITION BY loan_id ORDER BY day)) AS due_unpaid,
       due AS due_in_period, paid AS paid_in_period
FROM moves ORDER BY loan_id, day;
"""


def ledger_write(sql: str, files: Path) -> Path:
    """files/ledger.csv from the tables of the prepared book and one of the scripts above; money in minor units."""
    out = files / "ledger.csv"
    with duckdb.connect() as base:
        for path in files.glob("*.csv"):
            if path != out:
                base.execute(f"CREATE TABLE {path.stem} AS FROM read_csv('{path}')")
        base.execute(sql)
        base.execute(f"COPY ledger TO '{out}' (HEADER)")
    return out


SETTLED = """
-- Each instalment of the file (those of one day are one) beside the day on which replay settled it. The file says: the later of
-- its due day and its last payment. `behind`: an earlier instalment of the loan that the file leaves unpaid in part, which later
-- money pays first.
WITH instalment AS (
    SELECT SK_ID_PREV AS loan_id, DATE '2018-01-01' + DAYS_INSTALMENT::INTEGER AS due,
           (round(AMT_INSTALMENT::DECIMAL(18, 4), 2) * 100)::BIGINT AS amount_minor,
           round(sum(round(AMT_PAYMENT::DECIMAL(18, 4), 2)) * 100)::BIGINT AS paid_minor,
           max(DATE '2018-01-01' + DAYS_ENTRY_PAYMENT::INTEGER) AS last_paid
    FROM raw GROUP BY SK_ID_PREV, NUM_INSTALMENT_NUMBER, NUM_INSTALMENT_VERSION, DAYS_INSTALMENT, AMT_INSTALMENT
), file AS (
    SELECT loan_id, due, sum(amount_minor) AS amount_minor, sum(paid_minor) AS paid_minor, max(last_paid) AS last_paid
    FROM instalment GROUP BY loan_id, due
), nth AS (
    SELECT *, min(CASE WHEN paid_minor < amount_minor THEN due END) OVER (PARTITION BY loan_id) AS first_short FROM file
), both_ AS (
    SELECT nth.*, settled.settled, greatest(last_paid, due) AS said, paid_minor >= amount_minor AS paid,
           coalesce(first_short <= due, false) AS behind
    FROM nth JOIN settled USING (loan_id, due, amount_minor)
)
SELECT count(*), count(*) FILTER (paid), count(*) FILTER (paid AND settled = said), count(*) FILTER (paid AND last_paid > due),
       count(*) FILTER (paid AND last_paid > due AND settled = last_paid),
       count(*) FILTER (paid AND settled IS DISTINCT FROM said AND NOT behind)
FROM both_
"""
