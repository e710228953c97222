"""Tideover: a lender's whole path around overdue loans."""

__version__ = "0.1.0"
