"""The commands of the book: `tideover import`, `tideover lender` and `tideover watch-list`."""

from __future__ import annotations

import argparse

from tideover.lending import commands_import, commands_lender, commands_watch_list


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register them."""
    commands_import.add_parser(commands)
    commands_lender.add_parser(commands)
    commands_watch_list.add_parser(commands)
