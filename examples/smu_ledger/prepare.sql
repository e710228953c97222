-- A synthetic monthly ledger: contracts from the first line of each loan, payments from `paid_amt`, and the ledger itself.
CREATE TABLE ledger AS
SELECT loan_id, snapshot_date, due_amt, paid_amt, overdue_amt, balance
FROM read_parquet(getvariable('data') || '/smu_lms_loan_monthly.parquet') ORDER BY loan_id, snapshot_date;

CREATE TABLE people AS
SELECT DISTINCT Customer_ID FROM read_parquet(getvariable('data') || '/smu_lms_loan_monthly.parquet') ORDER BY 1;

CREATE TABLE contracts AS
SELECT DISTINCT loan_id, Customer_ID, loan_start_date, tenure, loan_amt, (loan_start_date + INTERVAL 1 MONTH)::DATE AS first_due
FROM read_parquet(getvariable('data') || '/smu_lms_loan_monthly.parquet') ORDER BY loan_id;

CREATE TABLE payments AS
SELECT loan_id || '/' || installment_num AS reference, loan_id, snapshot_date, paid_amt
FROM read_parquet(getvariable('data') || '/smu_lms_loan_monthly.parquet') WHERE paid_amt > 0 ORDER BY loan_id, installment_num;
