"""Debits 代扣: the mandate, what is taken when, batches to the bank and its answers; never twice, never lost."""
