"""Web Push of one browser, and leaving the mailing with one click."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from tideover.contact.channels.base import DeliveryState, Inbound, Report, adapter_for
from tideover.contact.channels.hooks import apply
from tideover.contact.channels.models import PushSubscription
from tideover.contact.channels.push import Push, shown_key, unb64
from tideover.contact.rules.model import Channel
from tideover.core.access import require
from tideover.core.action_log import log
from tideover.core.crypto import decrypt
from tideover.core.models import User

ENDPOINT_MAX, RECEIPT_BYTES_MAX, BROWSERS_MAX = 1000, 2000, 10
POINT_BYTES, AUTH_BYTES = 65, 16


@require("my-push")
@require_POST
def my_push(request: HttpRequest) -> HttpResponse:
    """Remember a browser that agreed to show messages, or forget it (off=1). 204; 422 with words for a browser's bad answer."""
    user, endpoint = request.user, request.POST.get("endpoint", "")
    assert isinstance(user, User)
    hashed = hashlib.sha256(endpoint.encode()).digest()
    if request.POST.get("off"):
        PushSubscription.objects.filter(user=user, endpoint_hash=hashed).update(gone_at=timezone.now(), gone_reason="owner")
        log(user.username, "push.off", "user", user.username)
        return HttpResponse(status=204)
    adapter = adapter_for(Channel.PUSH)
    if not isinstance(adapter, Push) or not adapter.allows(endpoint) or len(endpoint) > ENDPOINT_MAX or not _keys_good(request):
        return JsonResponse({"problem": "this browser's push service cannot be used"}, status=422)
    PushSubscription.objects.update_or_create(
        endpoint_hash=hashed,
        defaults={
            "user": user,
            "endpoint": endpoint,
            "p256dh": request.POST["p256dh"],
            "auth": request.POST["auth"],
            "created_at": timezone.now(),
            "gone_at": None,
            "gone_reason": "",
        },
    )
    old = PushSubscription.objects.filter(user=user, gone_at=None).order_by("-created_at").values_list("pk", flat=True)
    PushSubscription.objects.filter(pk__in=list(old[BROWSERS_MAX:])).update(gone_at=timezone.now(), gone_reason="too_many")
    log(user.username, "push.on", "user", user.username)
    return HttpResponse(status=204)


def _keys_good(request: HttpRequest) -> bool:
    try:
        sizes = len(unb64(request.POST.get("p256dh", ""))), len(unb64(request.POST.get("auth", "")))
    except ValueError:
        return False
    return sizes == (POINT_BYTES, AUTH_BYTES)


@csrf_exempt
@require_POST
def push_shown(request: HttpRequest) -> HttpResponse:
    """The service worker says that it has shown a message. The receipt is signed by us, and says nothing twice."""
    if int(request.headers.get("Content-Length") or 0) > RECEIPT_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        key = shown_key(str(json.loads(request.body)["receipt"]))
    except (ValueError, KeyError, TypeError, signing.BadSignature):
        return HttpResponse(status=422)
    apply([Report(DeliveryState.DELIVERED, datetime.now(UTC), key=key)], [])
    return HttpResponse(status=204)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Leave the mailing: a mail program posts at once (RFC 8058), a person sees a page and presses a button."""
    try:
        sender = decrypt(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, InvalidTag):
        raise Http404 from None
    if request.method == "POST":
        once = hashlib.sha256(f"unsubscribe:{token}".encode()).hexdigest()[:32]
        apply([], [Inbound(Channel.EMAIL, sender, "STOP", datetime.now(UTC), once)])
    context = {"done": request.method == "POST", "shell_template": "web/borrower.html"}
    return render(request, "contact_channels/unsubscribe.html", context)
