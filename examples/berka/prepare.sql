-- Berka: relational tables of a Czech bank, 1993-1998, to people, contracts and payments.
-- Loans ask for amount / duration a month, on the 12th; the table names no interest.
CREATE TABLE people AS
SELECT client.client_id, client.birth_year, district.A3 AS region
FROM read_parquet(getvariable('data') || '/berka_loan.parquet') AS loan
JOIN read_parquet(getvariable('data') || '/berka_disp.parquet') AS disp ON disp.account_id = loan.account_id AND disp.type = 'OWNER'
JOIN read_parquet(getvariable('data') || '/berka_client.parquet') AS client USING (client_id)
LEFT JOIN read_parquet(getvariable('data') || '/berka_district.parquet') AS district ON district.A1 = client.district_id
ORDER BY client_id;

CREATE TABLE contracts AS
WITH loan AS (
    SELECT *, strptime(date::VARCHAR, '%y%m%d')::DATE AS granted
    FROM read_parquet(getvariable('data') || '/berka_loan.parquet')
)
SELECT loan.loan_id, disp.client_id, granted, loan.amount, loan.duration, loan.payments,
       (date_trunc('month', granted) + INTERVAL 11 DAY
           + CASE WHEN day(granted) < 12 THEN INTERVAL 0 MONTH ELSE INTERVAL 1 MONTH END)::DATE AS first_due
FROM loan
JOIN read_parquet(getvariable('data') || '/berka_disp.parquet') AS disp ON disp.account_id = loan.account_id AND disp.type = 'OWNER'
ORDER BY loan_id;

CREATE TABLE payments AS
SELECT trans.trans_id, loan.loan_id, trans.date AS paid_on, trans.amount
FROM read_parquet(getvariable('data') || '/berka_trans_subset.parquet') AS trans
JOIN read_parquet(getvariable('data') || '/berka_loan.parquet') AS loan USING (account_id)
WHERE trans.k_symbol = 'loan payment'
ORDER BY trans_id;
