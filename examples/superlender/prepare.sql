-- Nigerian digital micro-loans of 15 to 90 days: contracts as given (a first instalment after 30 days where the term is longer),
-- and one payment of the total due on the day on which the loan was closed: amounts of part payments are not published.
CREATE TABLE people AS
SELECT DISTINCT customerid FROM read_parquet(getvariable('data') || '/superlender_train_prevloans.parquet') ORDER BY 1;

CREATE TABLE contracts AS
SELECT systemloanid, customerid, approveddate::DATE AS approved, firstduedate::DATE AS first_due, loanamount, totaldue,
       greatest(1, termdays // 30) AS instalments, closeddate::DATE AS closed, firstrepaiddate::DATE AS first_repaid
FROM read_parquet(getvariable('data') || '/superlender_train_prevloans.parquet')
ORDER BY systemloanid;

CREATE TABLE payments AS
SELECT systemloanid, totaldue, closeddate::DATE AS closed
FROM read_parquet(getvariable('data') || '/superlender_train_prevloans.parquet')
ORDER BY systemloanid;
