"""`tideover demo` and `tideover serve`."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from tideover.simulate.gateways import CORE_FILES, peers_start, ports_choose

MONTHS_CLOSED = 13


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    demo = commands.add_parser(
        "demo",
        help="a lender with borrowers at every stage, then the site",
        description="Build the demo lender once (24 simulated months; the same seed gives the same book), then serve it.",
    )
    demo.add_argument("--loans", type=int, default=3000, help="how many loans (default 3000)")
    demo.add_argument("--seed", type=int, default=1, help="seed of the simulation (default 1)")
    demo.add_argument("--no-serve", action="store_true", help="build only")
    demo.set_defaults(func=run_demo)
    serve = commands.add_parser(
        "serve",
        help="the site and its worker",
        description="Serve the site on the existing database, with a worker that sends messages.",
    )
    serve.set_defaults(func=run_serve)
    for p in (demo, serve):
        p.add_argument(
            "--sandbox", action="store_true", help="lead text messages, mail, WeCom and robot to peers on this machine"
        )
        p.add_argument("--no-worker", action="store_true", help="do not send messages; `tideover outbox work` runs elsewhere")
        p.add_argument("--host", default="127.0.0.1")
        p.add_argument("--port", type=_port, default=8000)
        p.add_argument("--workers", type=int, default=2, help="processes that answer (default 2)")


def run_demo(args: argparse.Namespace) -> int:
    """Handle `demo`."""
    if args.loans < 10 or args.loans > 1_000_000:
        print("demo: --loans must lie between 10 and 1000000", file=sys.stderr)
        return 2
    if not args.no_serve and not _free(args.host, args.port):
        return 2
    import django

    home = Path(os.environ.get("TIDEOVER_HOME", "var")).resolve()
    (home / "static").mkdir(parents=True, exist_ok=True)
    ports = ports_choose(home) if args.sandbox else {}
    django.setup()
    from django.core.management import call_command

    from tideover.accounting.posting import books_post, first_payout
    from tideover.core.business_time import business_date
    from tideover.core.models import ActionLog
    from tideover.daily.close import close_day
    from tideover.lending.clock import cut_off_take
    from tideover.lending.models import Contract
    from tideover.simulate.beside import core_files_lay, loans_lay
    from tideover.simulate.book import build
    from tideover.simulate.desk import desk_lay
    from tideover.simulate.ledger import late_news, periods_close

    call_command("migrate", verbosity=0)
    if not ActionLog.objects.filter(action="demo.build").exists():
        if Contract.objects.exists():
            print("demo: this database already holds loans; set TIDEOVER_HOME to an empty folder", file=sys.stderr)
            return 2
        started = time.perf_counter()
        build(args.loans, business_date(), args.seed, quiet=not sys.stderr.isatty())
        today = business_date()
        loans_lay(today, args.seed)
        month_ends = _month_ends(today)
        books_post(month_ends[0] - timedelta(days=1), cut_off=cut_off_take(), first=first_payout())
        for month_end in month_ends:
            close_day(month_end, today=today)
        close_day(today - timedelta(days=1), today=today)
        periods_close(today)
        late_news(today)
        core_files_lay(today, home / CORE_FILES)
        close_day(today, today=today)
        desk_lay(today)
        print(f"built {Contract.objects.count()} loans in {time.perf_counter() - started:.0f} s")
    _sign_ins(args.host, args.port)
    return 0 if args.no_serve else _serve(args, ports)


def _month_ends(today: date) -> list[date]:
    """The last days of the MONTHS_CLOSED months before this one, oldest first."""
    out = [today.replace(day=1) - timedelta(days=1)]
    while len(out) < MONTHS_CLOSED:
        out.append(out[-1].replace(day=1) - timedelta(days=1))
    return out[::-1]


def run_serve(args: argparse.Namespace) -> int:
    """Handle `serve`."""
    if not _free(args.host, args.port):
        return 2
    import django

    ports = ports_choose(Path(os.environ.get("TIDEOVER_HOME", "var")).resolve()) if args.sandbox else {}
    django.setup()
    from tideover.core.models import User

    User.objects.exists()  # a database without tables is said here, not by every page
    return _serve(args, ports)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65_536:
        raise argparse.ArgumentTypeError(f"{port} is not a port; ports are 1 to 65535")
    return port


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            print(f"{host}:{port} cannot be used ({error.strerror}); choose another with --port", file=sys.stderr)
            return False
    return True


def _sign_ins(host: str, port: int) -> None:
    from tideover.core.models import User
    from tideover.simulate.book import DEMO_PASSWORD

    print(f"\nhttp://{host}:{port}/   password for everyone: {DEMO_PASSWORD}\n")
    for user in User.objects.order_by("id"):
        print(f"  {user.username:<18} {user.role}")
    print(flush=True)


def _serve(args: argparse.Namespace, ports: dict[str, int]) -> int:
    """Serve until told to stop. Worker and peers are processes of their own that end with this one, however this one ends."""
    from django.conf import settings
    from granian import Granian
    from granian.constants import Interfaces

    others = peers_start(ports, settings.DATA_DIR, f"http://{args.host}:{args.port}") if ports else []
    if not args.no_worker:
        for what in ("outbox", "debits", *(["beside"] if settings.CORES else [])):
            command = [sys.executable, "-m", "tideover.cli", what, "work", "--parent", str(os.getpid())]
            others.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
    try:
        workers = max(1, args.workers)
        site = "tideover.web.wsgi:application"
        Granian(site, address=args.host, port=args.port, interface=Interfaces.WSGI, workers=workers).serve()
    finally:
        for process in others:
            process.terminate()
            process.wait()
    return 0
