"""Payments operations' home: what waits of debits, money in, files and refunds; each row counts exactly the list behind it."""
