"""The commands of the book: `tideover import` and `tideover lender`."""

from __future__ import annotations

import argparse

from tideover.lending import commands_import, commands_lender


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both."""
    commands_import.add_parser(commands)
    commands_lender.add_parser(commands)
