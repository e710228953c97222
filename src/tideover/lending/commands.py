"""The commands of the book: `tideover import`, `tideover lender`, `tideover watch-list` and `tideover bank`."""

from __future__ import annotations

import argparse

from tideover.lending import commands_import, commands_lender, commands_watch_list
from tideover.lending.statements import commands as commands_bank


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register them."""
    commands_import.add_parser(commands)
    commands_lender.add_parser(commands)
    commands_watch_list.add_parser(commands)
    commands_bank.add_parser(commands)
