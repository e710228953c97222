"""Where gateways call us: reports on messages, and what people answer.

Public, but not open: an address holds a token that only the gateway was told, the robot signs what it sends, and a gateway's
address in the settings may name the networks that it calls from (allow=203.0.113.0/24,…). A repeat changes nothing, because
reports settle a message once and answers have ids; a report on an unknown message is parked, not refused.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from tideover.contact.channels import aliyun, binding, mail_parse, robot, tencent
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.base import Inbound, Report
from tideover.contact.outbox import inbound_apply, report_apply
from tideover.core.sign_in import address_of

BODY_BYTES_MAX, ITEMS_MAX = 1 << 20, 1000
Records = tuple[list[Report], list[Inbound]]
logger = logging.getLogger(__name__)


def hook_token(gateway: str) -> str:
    """The secret part of a gateway's addresses."""
    return hmac.new(settings.HOOK_SECRET.encode(), f"hook:{gateway}".encode(), hashlib.sha256).hexdigest()[:40]


@csrf_exempt
@require_http_methods(["GET", "POST"])
def hook(request: HttpRequest, gateway: str, token: str, what: str) -> HttpResponse:
    """Take one call of a gateway. 404 for a wrong token, so that nobody learns what is here; else as the gateway expects."""
    if (
        (gateway, what) not in {**READERS, **EVENTS}
        or not hmac.compare_digest(token, hook_token(gateway))
        or not _may_call(request, gateway)
    ):
        raise Http404
    if (gateway, what) in EVENTS:
        return _event(request, gateway, what)
    if request.method == "GET":
        return HttpResponse(status=405)
    if int(request.headers.get("Content-Length") or 0) > BODY_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        reports, people = READERS[gateway, what](request, datetime.now(UTC))
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        logger.warning("a call of %s (%s) could not be read: %s", gateway, what, type(problem).__name__)
        return JsonResponse(ANSWERS[gateway][1], status=422)
    apply(reports, people)
    return JsonResponse(ANSWERS[gateway][0])


def _event(request: HttpRequest, gateway: str, what: str) -> HttpResponse:
    """A push of WeCom or WeChat; by GET they ask whether the address is ours (echostr)."""
    address = gateway_address(gateway)
    try:
        if address is None:
            raise ValueError("not in use")
        if request.method == "GET":
            return HttpResponse(binding.echo_read(request, address), content_type="text/plain")
        if len(request.body) > BODY_BYTES_MAX:
            return HttpResponse(status=413)
        EVENTS[gateway, what](binding.event_read(request, address))
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        logger.warning("a push of %s could not be read: %s", gateway, type(problem).__name__)
        return HttpResponse("could not be read", status=422, content_type="text/plain")
    return HttpResponse("success", content_type="text/plain")


def apply(reports: list[Report], people: list[Inbound]) -> None:
    """Hand records to the outbox, each in its own transaction."""
    for report in reports:
        report_apply(report)
    for inbound in people:
        inbound_apply(inbound)


def gateway_address(gateway: str) -> GatewayAddress | None:
    """The settings' address of a gateway that is in use."""
    for name, text in settings.CHANNELS.items():
        if text and (address := GatewayAddress.read(text, setting=f"TIDEOVER_{name}")).kind == gateway:
            return address
    return None


def _may_call(request: HttpRequest, gateway: str) -> bool:
    address = gateway_address(gateway)
    networks = [n for n in (address.option("allow", "") if address else "").split(",") if n]
    if not networks:
        return True
    try:
        caller = ipaddress.ip_address(address_of(request))
    except ValueError:
        return False
    return any(caller in ipaddress.ip_network(network) for network in networks)


def _items(request: HttpRequest) -> list[Mapping[str, Any]]:
    """The body as a list of objects; one object stands for a list of one. Raises ValueError."""
    data = json.loads(request.body)
    items = data if isinstance(data, list) else [data]
    if len(items) > ITEMS_MAX or not all(isinstance(item, dict) for item in items):
        raise ValueError("not a list of objects")
    return items


def _mail(request: HttpRequest, now: datetime) -> Records:
    return mail_parse.read(request.body, now)


def _robot(request: HttpRequest, now: datetime) -> Records:
    address = gateway_address("robot")
    header = request.headers.get("X-Tideover-Signature", "")
    if address is None or not robot.signature_good(address.secret, request.body, header, int(time.time())):
        raise ValueError("signature")
    return [robot.report_read(item, now) for item in _items(request)], []


Reader = Callable[[HttpRequest, datetime], Records]
READERS: dict[tuple[str, str], Reader] = {
    ("aliyun", "reports"): lambda r, now: (aliyun.reports_read(_items(r), now), []),
    ("aliyun", "replies"): lambda r, now: ([], aliyun.inbound_read(_items(r), now)),
    ("tencent", "reports"): lambda r, now: (tencent.reports_read(_items(r), now), []),
    ("tencent", "replies"): lambda r, now: ([], tencent.inbound_read(_items(r), now)),
    ("smtp", "returned"): _mail,
    ("robot", "calls"): _robot,
}
EVENTS: dict[tuple[str, str], Callable[[Mapping[str, Any]], None]] = {
    ("wecom", "events"): binding.wecom_event,
    ("wecom-customer", "events"): binding.wecom_event,
    ("miniprogram", "events"): binding.mini_event,
}
"""Pushes that are encrypted: who joined, who left, who said yes to which messages."""
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "aliyun": ({"code": 0, "msg": "接收成功"}, {"code": 1, "msg": "could not be read"}),
    "tencent": ({"result": 0, "errmsg": "OK"}, {"result": 1, "errmsg": "could not be read"}),
    "smtp": ({"ok": True}, {"ok": False}),
    "robot": ({"ok": True}, {"ok": False}),
}
"""What each gateway takes for "received" and for "send it again"."""
