-- Home Credit: instalments due and paid of earlier loans, in days before an application; here counted from 2018-01-01.
-- The rows are a sample: few loans are whole, so a contract here is the rows that are there, each a sum due on a day. Amounts
-- with a third decimal are rounded to two. A row may repeat an instalment that was paid in parts.
CREATE TABLE raw AS
SELECT *, row_number() OVER () AS line FROM read_parquet(getvariable('data') || '/homecredit1k_installments_payments.parquet');

CREATE TABLE people AS SELECT DISTINCT SK_ID_CURR FROM raw ORDER BY 1;

CREATE TABLE contracts AS
WITH start AS (
    SELECT SK_ID_PREV, least(min(raw.DAYS_INSTALMENT) - 1, min(raw.DAYS_ENTRY_PAYMENT), min(previous.DAYS_DECISION)) AS day
    FROM raw LEFT JOIN read_parquet(getvariable('data') || '/homecredit1k_previous_application.parquet') AS previous
        USING (SK_ID_PREV)
    GROUP BY SK_ID_PREV
)
SELECT DISTINCT SK_ID_PREV, SK_ID_CURR, DATE '2018-01-01' + start.day::INTEGER AS started,
       NUM_INSTALMENT_VERSION AS version, NUM_INSTALMENT_NUMBER AS number,
       DATE '2018-01-01' + DAYS_INSTALMENT::INTEGER AS due, round(AMT_INSTALMENT::DECIMAL(18, 4), 2) AS amount
FROM raw JOIN start USING (SK_ID_PREV)
ORDER BY SK_ID_PREV, due, number;

CREATE TABLE payments AS
SELECT line, SK_ID_PREV, DATE '2018-01-01' + DAYS_ENTRY_PAYMENT::INTEGER AS paid, round(AMT_PAYMENT::DECIMAL(18, 4), 2) AS amount
FROM raw WHERE AMT_PAYMENT > 0 ORDER BY line;

DROP TABLE raw;
