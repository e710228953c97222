"""Write docs/tape.md from tape/schema.py. `--check` writes nothing and fails when the page is not current."""

from __future__ import annotations

import sys
from pathlib import Path

from tideover.tape import digest
from tideover.tape.schema import ORDER, SCHEMA_VERSION, SUBJECTS, TABLES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tape.md"
HEAD = """# The tapes

<!-- Written by scripts/tape_docs.py from src/tideover/tape/schema.py: change that, then run the script. -->

Each day's close writes one Parquet file a tape into `tape/YYYY-MM-DD/` under `TIDEOVER_HOME`. A day exists when its run names the
files (`tideover close`, the manifest); anything else in the folder is what a killed close left, and nobody reads it.

- Money is int64 minor units (fen, cents), rates are parts per million a year, days are calendar days.
- Columns are added, never renamed, retyped or dropped. This page is schema version {version}; a file says its own in the Parquet
  metadata (`tideover.schema_version`). A day written before a column existed reads as null there: null is unknown, never zero.
- A loan whose events or terms cannot be replayed stops nothing: `replay_state` says why, every figure is null, and the run counts
  and names it. It states no transitions, keeps its old row on the screens, and counts as an open loan of its borrower.
- Facts that carry a recorded time (events, holds, promises, contacts) are read as known at the day's cut-off. Names, branches,
  managers, limits and parties carry none: they are as they stood when the day was closed.
- Ask with SQL over all days: `tideover tape query "SELECT bucket, count(*) FROM loans WHERE data_cut_off_date = '2026-05-31'
  GROUP BY 1"`. Files of other days than the query names are not opened. One loan: `tideover tape show LOAN`.
- A file that is missing or damaged (each page of it carries a checksum) is never answered from in part: pages, REST (503
  `tape_lost`) and commands name the day, and so does `tideover doctor`. Close that day again (`tideover close --as-of DAY`): its
  cut-off is kept, so the tape comes back with the digest that was committed. If names, branches, managers, limits or parties have
  changed since, the digest differs; the command and the action log (`tape.restore`) say so.
- Every day's tapes are kept for `TIDEOVER_TAPE_MONTHS` months (25; 0 keeps everything), the last closed day of each month for
  good. Each close ends with that; `tideover tape prune --dry-run` says what would go. A pruned day stays closed, with its
  figures and digest: REST answers 410 `tape_pruned`, `tape show --as-of` and a query that names it say when it was pruned.

{digest}
"""
LAYOUT = """The **digest** of a run says that two closes gave the same tapes: it is the same for any partitions,
threads, files or database.

```text
{layout}
```"""


def page() -> str:
    """The whole page."""
    layout = (digest.__doc__ or "").split("\n\n", 1)[1].strip()
    parts = [HEAD.format(version=SCHEMA_VERSION, digest=LAYOUT.format(layout=layout))]
    for name, columns in TABLES.items():
        parts.append(f"## {name}\n\n{SUBJECTS[name]} Unique in a day: {', '.join(f'`{c}`' for c in ORDER[name])}.\n")
        parts.append("| column | type | unit | since | meaning |\n|---|---|---|---|---|")
        parts += [f"| `{c.name}` | {c.type} | {c.unit} | {c.since} | {c.meaning} |" for c in columns]
        parts.append("")
    return "\n".join(parts)


def main() -> int:
    """Write or check; the exit code."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/tape.md is not current: run python scripts/tape_docs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
