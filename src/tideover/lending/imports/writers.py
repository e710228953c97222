"""Chunks of an import written side by side where the database can: each in a short transaction of its own.

PostgreSQL serves each connection by a process of its own, so two writers keep two cores busy; SQLite has one writer. Chunks hold
different loans, so they never wait for one another, and whatever order they are committed in, a run that was killed leaves
whole chunks only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

from django.db import connection

WRITERS = 2
Progress = Callable[[int], None]
T = TypeVar("T")


def write_all(chunks: Iterable[T], write: Callable[[T], int], progress: Progress) -> int:
    """Write every chunk (`write` opens its transaction and says how many rows it wrote); how many rows in all.

    The first chunk that fails ends it: chunks not yet begun stay unwritten. `chunks` is asked by one thread at a time. Inside a
    transaction of the caller all is written in that one.
    """
    source, turn, stop = iter(chunks), Lock(), Event()

    def work() -> int:
        done = 0
        try:
            while not stop.is_set():
                with turn:
                    chunk = next(source, None)
                if chunk is None:
                    break
                count = write(chunk)
                done += count
                with turn:
                    progress(count)
        except BaseException:
            stop.set()
            raise
        return done

    def apart() -> int:
        try:
            return work()
        finally:
            connection.close()

    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return work()
    with ThreadPoolExecutor(WRITERS) as pool:
        running = [pool.submit(apart) for _ in range(WRITERS)]
        try:
            return sum(r.result() for r in running)
        except BaseException:  # also Ctrl-C, which comes to this thread alone
            stop.set()
            raise
