"""Life beside a core bank: its files, breaks, whose figure holds, and instructions to it (docs/beside-a-core.md)."""
