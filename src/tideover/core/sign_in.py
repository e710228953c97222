"""Signing in: who tried and failed lately waits, by account and by address, so that passwords cannot be tried by the thousand.

Neither the name that was typed (people type passwords there) nor the address is stored: keyed hashes of them are.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.crypto import search_hash
from tideover.core.models import SignInFailure, User

WINDOW = timedelta(minutes=15)
FAILURES_MAX = {"account": 5, "address": 50}
"""Failures within WINDOW after which an account, or everybody at an address (an office shares one), waits."""
GUESSES_MAX = 20
"""Codes that lead nowhere within WINDOW after which an address waits."""
KEPT = timedelta(days=1)


def address_of(request: HttpRequest) -> str:
    """Where the request comes from: behind TIDEOVER_PROXIES trusted proxies, what the outermost of them saw."""
    proxies: int = settings.TRUSTED_PROXIES
    seen = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    return seen[-proxies] if 0 < proxies <= len(seen) else str(request.META.get("REMOTE_ADDR", ""))


def _hashes(username: str, address: str) -> dict[str, bytes]:
    return {"account": search_hash(f"account:{username.strip().lower()}"), "address": search_hash(f"address:{address}")}


def waits_until(username: str, address: str) -> datetime | None:
    """When this account, or whoever is at this address, may try again after too many failures; None: now.

    A try that is turned away is not counted.
    """
    hashes = _hashes(username, address)
    ends = [_waits_until(hashes[kind], most) for kind, most in FAILURES_MAX.items()]
    return max((end for end in ends if end), default=None)


def _waits_until(who: bytes, most: int) -> datetime | None:
    lately = SignInFailure.objects.filter(who=who, at__gt=now() - WINDOW).order_by("-at")
    times = list(lately.values_list("at", flat=True)[:most])
    return times[-1] + WINDOW if len(times) == most else None


def guesses_wait_until(what: str, address: str) -> datetime | None:
    """When whoever is at this address may ask again for something that is known by its code alone; None: now."""
    return _waits_until(search_hash(f"{what}:{address}"), GUESSES_MAX)


def guess_failed(what: str, address: str) -> None:
    """Remember that somebody at this address asked for something that does not exist."""
    SignInFailure.objects.filter(at__lt=now() - KEPT).delete()
    SignInFailure.objects.create(who=search_hash(f"{what}:{address}"), at=now())


def failed(username: str, address: str) -> None:
    """Remember a failure; an existing account's stands in the action log too."""
    at = now()
    SignInFailure.objects.filter(at__lt=at - KEPT).delete()
    SignInFailure.objects.bulk_create([SignInFailure(who=h, at=at) for h in _hashes(username, address).values()])
    if User.objects.filter(username=username).exists():
        log(username, "sign_in.fail", "user", username)


def succeeded(username: str, address: str) -> None:
    """Forget the account's failures. Those of the address stay: one good account must not open the door to others."""
    SignInFailure.objects.filter(who=_hashes(username, address)["account"]).delete()
    log(username, "sign_in", "user", username)


class NotOnlyOneKind:
    """Refuses passwords of digits alone and of few different characters, beside the rules of length and of common words."""

    def validate(self, password: str, user: object = None) -> None:
        """Raises ValidationError."""
        if password.isdigit() or len(set(password)) < 4:
            raise ValidationError(self.get_help_text(), code="one_kind")

    def get_help_text(self) -> str:
        """What to do instead."""
        return str(_("Mix letters with digits or signs, and do not repeat one character."))
