"""`tideover bench X`: run a benchmark of bench/ and print its figures (DESIGN §7, `bench`)."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from pathlib import Path

BENCHES = {"replay": "loans"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `bench`."""
    p = commands.add_parser("bench", help="measure speed against a peer or a physical limit", description=__doc__)
    p.add_argument("name", choices=sorted(BENCHES))
    p.add_argument("--loans", type=int, help="how many loans")
    p.add_argument("--source", choices=["parquet", "postgresql"], help="where close reads from")
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Import bench/NAME.py of the checkout and print what its run() returns."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "bench" / f"{args.name}.py").exists():
        print("benchmarks are part of a source checkout; run this in one", file=sys.stderr)
        return 2
    sys.path.insert(0, str(root))
    given = {k: v for k, v in (("loans", args.loans), ("source", args.source)) if v is not None}
    result = importlib.import_module(f"bench.{args.name}").run(**given)
    result.setdefault("machine", f"{platform.machine()} {platform.processor()} {platform.python_version()}".strip())
    if args.json:
        print(json.dumps(result))
        return 0
    print(f"{result['bench']}: {result['rate']:,.0f} {result['unit']} in {result['seconds']:.2f} s")
    for name, other in result.get("against", {}).items():
        print(f"  against {name}: {other}")
    print(f"  peak memory: {result.get('peak_rss_bytes', 0) / 2**20:,.0f} MiB; machine: {result['machine']}")
    return 0
