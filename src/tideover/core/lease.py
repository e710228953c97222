"""Leases on long work: whoever works says who they are and until when; a dead worker keeps nobody waiting."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from uuid import uuid4

LEASE = timedelta(seconds=60)
"""How long a claim holds unless it is renewed."""


def owner_new() -> str:
    """A name for one worker: host, process, and a token of its own."""
    return f"{_host()}:{os.getpid()}:{uuid4().hex[:8]}"


def is_dead(owner: str) -> bool:
    """Whether the owner was a process of this machine that is no more; of another machine only the lease can tell."""
    host, _, rest = owner.partition(":")
    pid = rest.split(":")[0]
    if host != _host() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _host() -> str:
    return socket.gethostname()[:30]
