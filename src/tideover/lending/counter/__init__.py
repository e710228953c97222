"""The counter 柜台: tills, payments with slips numbered without gaps, the second person, the end-of-day count (docs/counter.md)."""
