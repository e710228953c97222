"""The counter 柜台: tills, numbered slips, the second person, the end-of-day count (docs/counter.md)."""
