"""`tideover bench X`: run a benchmark of bench/ and print its figures (DESIGN §7, `bench`)."""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `bench`."""
    p = commands.add_parser("bench", help="measure speed against a peer or a physical limit", description=__doc__)
    p.add_argument("name", metavar="NAME", help=f"one of {', '.join(names()) or 'the benchmarks of a source checkout'}")
    p.add_argument("--loans", type=int, help="how many loans")
    p.add_argument("--source", choices=("postgresql", "parquet"), help="where the book lies (bench close)")
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def names() -> list[str]:
    """The benchmarks of this checkout: the modules of bench/."""
    return sorted(p.stem for p in (ROOT / "bench").glob("[a-z]*.py"))


def run(args: argparse.Namespace) -> int:
    """Import bench/NAME.py of the checkout and print what its run() returns."""
    if args.name not in names():
        known = ", ".join(names()) or "none: benchmarks are part of a source checkout"
        print(f"bench: there is no benchmark {args.name}; there are {known}", file=sys.stderr)
        return 2
    if args.loans is not None and args.loans < 1:
        print("bench: --loans must be at least 1", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    given = {name: value for name in ("loans", "source") if (value := getattr(args, name)) is not None}
    bench = importlib.import_module(f"bench.{args.name}").run
    unknown = set(given) - set(inspect.signature(bench).parameters)
    if unknown:
        print(f"bench: {args.name} has no --{', --'.join(sorted(unknown))}", file=sys.stderr)
        return 2
    result = bench(**given)
    result.setdefault("machine", f"{platform.machine()} {platform.processor()} {platform.python_version()}".strip())
    if args.json:
        print(json.dumps(result))
        return 0
    print(f"{result['bench']}: {result['rate']:,.0f} {result['unit']} in {result['seconds']:.2f} s")
    for name, other in result.get("against", {}).items():
        print(f"  against {name}: {other}")
    print(f"  peak memory: {result.get('peak_rss_bytes', 0) / 2**20:,.0f} MiB; machine: {result['machine']}")
    return 0
