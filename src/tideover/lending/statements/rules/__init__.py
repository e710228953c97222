"""Readers of bank statements: CAMT.053, MT940, tables by a mapping, webhook JSON. Pure: bytes in, one kind of record out."""
