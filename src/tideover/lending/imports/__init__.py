"""Files in: read, map, check (vectorised), reject by row and column, store in short transactions that a re-run completes."""
