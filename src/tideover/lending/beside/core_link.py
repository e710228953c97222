"""The wire to a core: hand an instruction over, ask after one, read its answers. JSON over HTTP (docs/beside-a-core.md)."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from django.conf import settings

TIMEOUT_S = 10.0
BYTES_MAX = 1 << 20
STATES = ("received", "confirmed", "rejected")


class NoAnswer(Exception):
    """Nothing that can be read came back: nobody knows whether the core has it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the core says of a key. state: one of STATES, or `no_such_key`."""

    key: str
    state: str
    reference: str = ""
    reason: str = ""
    on: str = ""
    nr: int = 0


class CoreLink:
    """The core of one entity at its address."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def send(self, body: dict[str, Any]) -> Answer:
        """Hand an instruction over under its key. Raises NoAnswer."""
        return self._answer(str(body["key"]), *self._call("POST", "/instructions", body))

    def ask(self, key: str) -> Answer:
        """What became of a key. Raises NoAnswer."""
        return self._answer(key, *self._call("GET", f"/instructions/{urllib.parse.quote(key, safe='')}"))

    def answers(self, after: int) -> list[Answer]:
        """Confirmations and rejections after a number, in order. Raises NoAnswer."""
        status, said = self._call("GET", f"/answers?after={after}")
        if status != 200 or not isinstance(said.get("answers"), list):
            raise NoAnswer(f"http {status}")
        return [self._answer(str(a.get("key", "")), 200, a) for a in said["answers"]]

    def _answer(self, key: str, status: int, said: dict[str, Any]) -> Answer:
        if status == 404:
            return Answer(key, "no_such_key")
        state = str(said.get("state", ""))
        if state not in STATES or status not in (200, 202, 422):
            raise NoAnswer(f"http {status}")
        texts = {n: str(said.get(n) or "")[:300] for n in ("reference", "reason", "on")}
        return Answer(key, state, **texts, nr=int(said.get("nr") or 0))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"} | ({} if body is None else {"Idempotency-Key": str(body["key"])})
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
                return reply.status, _object(reply.read(BYTES_MAX))
        except urllib.error.HTTPError as error:
            return error.code, _object(error.read(BYTES_MAX)) if error.code in (404, 422) else {}
        except (OSError, ValueError, urllib.error.URLError) as error:
            raise NoAnswer(type(error).__name__) from None
        except Exception as error:  # http.client's own, for noise instead of a status line
            raise NoAnswer(type(error).__name__) from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except ValueError:
        raise NoAnswer("no JSON") from None
    if not isinstance(said, dict):
        raise NoAnswer("no JSON object")
    return said


def link_of(entity_code: str) -> CoreLink | None:
    """The link to an entity's core; None where no address is set (TIDEOVER_CORES)."""
    address = settings.CORES.get(entity_code)
    return CoreLink(address) if address else None
