"""How kernels are compiled: cached on disk, without the interpreter's lock, and never with numba's own threads.

numba's cache knows only the file of the function itself, so a change in one kernel file would leave callers in another stale.
Here the cache's folder is named by the text of all kernel files together. (`parallel=True` is never used: with the one
threading layer that needs no system library, two callers abort the process.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import resources
from typing import Any

import numba

FILES = (
    "compiled.py", "columns.py", "terms.py", "events.py", "kernel.py", "kernel_claims.py", "kernel_dates.py",
    "kernel_judgment.py", "kernel_numbers.py", "kernel_outstanding.py", "kernel_plan.py", "kernel_rows.py", "kernel_subsidy.py",
    "moves.py",
)  # fmt: skip


def cache_name() -> str:
    """Short digest of every source that the kernels are made of."""
    here = resources.files("tideover.engine")
    return hashlib.sha256("".join((here / name).read_text(encoding="utf-8") for name in FILES).encode()).hexdigest()[:12]


settings: Any = numba.config
if not settings.CACHE_DIR:
    settings.CACHE_DIR = str(resources.files("tideover.engine") / "__pycache__" / f"kernel-{cache_name()}")

settings.LOOP_VECTORIZE, settings.SLP_VECTORIZE, settings.OPT = 0, 0, settings._OptLevel(1)
"""Loops here run over a few rows of records: vectors and the higher levels of optimisation make replay no faster (within 3 %),
and compiling, which a newcomer waits for, a third dearer."""

compiler: Any = numba.njit
options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
"""Kernels allocate nothing, so references to arrays need no counting (`_nrt`): counting took most of the time."""
entry: Callable[..., Any] = compiler(**options)
"""A kernel that Python calls. Those below are called by kernels alone, so no code that unpacks Python's objects is compiled."""
options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
kernel: Callable[..., Any] = compiler(**options)
inlined: Callable[..., Any] = compiler(forceinline=True, **options)
"""A kernel laid into its callers: for the small ones that run for every row, where the call would cost more than the work."""
woven: Callable[..., Any] = compiler(inline="always", **options)
"""A kernel with one caller, compiled as part of it alone: numba compiles every kernel anew with all that it calls, so each layer
at the top would cost one compilation of everything."""
