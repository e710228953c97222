"""Receipts: what came in for a borrower, how it was divided over the loans, and how that is taken back or corrected."""
