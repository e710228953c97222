"""Whose messenger is whose: a person joins by a link with their code in it, or from the mini program; the gateway tells us.

WeCom pushes that somebody became a contact of ours (with the code as State) or left; the mini program pushes to which messages
a person said yes. Either is the person's own act in that channel: its consent is recorded with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.http import MaybeSent, NotSent, request
from tideover.contact.channels.wechat_push import NotTheirs, envelope_read, fields_read, opened, signature
from tideover.contact.models import Subscription
from tideover.contact.outbox.inbound import stop_channel
from tideover.contact.reach import address_set
from tideover.contact.rules.model import Channel
from tideover.core.business_time import now
from tideover.core.problems import Refused, refuse
from tideover.lending.models import ContactPoint, Party
from tideover.lending.services_points import point_end, point_hash

CODE_CHARS = 9
JOIN_FIELD = {"WECOM": "customer_channel", "MINI_PROGRAM": "cq"}
"""Where the person's code stands in the link to join, by channel; the link itself is the option join= of the gateway."""
ACTOR = "borrower"
logger = logging.getLogger(__name__)


def bind_code(party: Party) -> str:
    """The code by which a gateway tells us who joined: at most 30 characters, made from a secret."""
    mac = hmac.new(settings.HOOK_SECRET.encode(), f"bind:{party.reference}".encode(), hashlib.sha256).digest()
    return f"{party.reference}.{base64.b32encode(mac).decode()[:CODE_CHARS].lower()}"


def party_of_code(code: str) -> Party | None:
    """The person whose code it is; None for any other text."""
    party = Party.objects.filter(reference=code.rpartition(".")[0]).first()
    return party if party is not None and hmac.compare_digest(bind_code(party).encode(), code.encode()) else None


def joins_of(party: Party) -> dict[str, str]:
    """The links by which a person connects each messenger that has one, by channel."""
    out = {}
    for name, field in JOIN_FIELD.items():
        text = settings.CHANNELS.get(name, "")
        join = GatewayAddress.read(text, setting=f"TIDEOVER_{name}").option("join", "") if text else ""
        if join:
            out[name.lower()] = f"{join}{'&' if '?' in join else '?'}{urlencode({field: bind_code(party)})}"
    return out


def event_read(r: HttpRequest, address: GatewayAddress) -> dict[str, Any]:
    """The fields of a push of WeCom or WeChat. Raises ValueError when it is not theirs or cannot be read."""
    query = {k: str(v) for k, v in r.GET.items()}
    keys = {"token": address.option("push"), "aes": address.option("aes"), "receiver": address.user}
    return fields_read(opened(envelope_read(r.body), **keys, query=query, now=int(time.time())))


def echo_read(r: HttpRequest, address: GatewayAddress) -> str:
    """What a gateway wants to read back when it asks whether an address is ours. Raises ValueError."""
    query = {k: str(v) for k, v in r.GET.items()}
    token, echo = address.option("push"), query.get("echostr", "")
    if "msg_signature" in query:
        return opened(echo, token=token, aes=address.option("aes"), receiver=address.user, query=query, now=int(time.time()))
    wanted = signature(token, query.get("timestamp", ""), query.get("nonce", ""))
    if not hmac.compare_digest(wanted.encode(), query.get("signature", "").encode()):
        raise NotTheirs("signature")
    return echo


def wecom_event(event: Mapping[str, Any]) -> None:
    """Somebody became a contact (their code is the State), or left."""
    if event.get("Event") != "change_external_contact":
        return
    who = str(event.get("ExternalUserID", ""))
    if event.get("ChangeType") in ("add_external_contact", "add_half_external_contact"):
        party = party_of_code(str(event.get("State", "")))
        if party is not None:
            _bind(party, "wecom", who, "WeCom add_external_contact")
    elif event.get("ChangeType") == "del_follow_user" and (point := _point("wecom", who)) is not None:
        with transaction.atomic():
            stop_channel(point.party, Channel.WECOM, at=now())
            point_end(point, actor=ACTOR)


def mini_event(event: Mapping[str, Any]) -> None:
    """To which messages a person said yes (one message each) or no."""
    if event.get("Event") not in ("subscribe_msg_popup_event", "subscribe_msg_change_event"):
        return
    point = _point("mini_program", str(event.get("FromUserName", "")))
    if point is None:
        logger.warning("a subscription of somebody who has not connected the mini program")
        return
    at = datetime.fromtimestamp(int(event["CreateTime"]), UTC)
    for code, yes in _words(event.get("List", [])):
        subscription_told(point, code, yes=yes, at=at)


def _words(listed: Any) -> Iterable[tuple[str, bool]]:
    """(template, whether the person said yes) of each entry."""
    for entry in listed if isinstance(listed, list) else [listed]:
        yield str(entry["TemplateId"])[:80], entry["SubscribeStatusString"] == "accept"


def subscription_told(point: ContactPoint, code: str, *, yes: bool, at: datetime) -> None:
    """One more message of a template, or none at all; what was told before, or is told again, changes nothing."""
    with transaction.atomic():
        row, made = Subscription.objects.select_for_update().get_or_create(
            point=point, code=code, defaults={"left": int(yes), "told_at": at}
        )
        if made or at <= row.told_at:
            return
        row.left, row.told_at = row.left + 1 if yes else 0, at
        row.save(update_fields=["left", "told_at"])


def mini_program_bind(party: Party, login_code: str) -> ContactPoint:
    """Connect the mini program from which a signed-in person came, by the login code that it was given.

    Raises Refused: no gateway, or WeChat does not know the code; somebody else's.
    """
    address = GatewayAddress.read(settings.CHANNELS.get("MINI_PROGRAM", ""), setting="TIDEOVER_MINI_PROGRAM")
    if address.kind != "miniprogram":
        raise refuse("no_gateway", "the mini program is not set up", "code")
    said = {"appid": address.user, "secret": address.secret, "js_code": login_code, "grant_type": "authorization_code"}
    try:
        answer = request("GET", f"{address.base_url}/sns/jscode2session?{urlencode(said)}", headers={}).object()
    except (NotSent, MaybeSent):
        answer = {}
    if not answer.get("openid"):
        raise refuse("bad_code", "the mini program could not be connected: open it again", "code")
    point = address_set(
        party, "mini_program", str(answer["openid"]), source="binding", actor=ACTOR, given_how="app",
        evidence="mini program login",
    )  # fmt: skip
    assert point is not None
    return point


def _bind(party: Party, channel: str, address: str, evidence: str) -> None:
    try:
        address_set(party, channel, address, source="binding", actor=ACTOR, given_how="app", evidence=evidence)
    except Refused as refused:
        logger.warning("a %s id could not be kept: %s", channel, refused.problems[0].code)


def _point(channel: str, address: str) -> ContactPoint | None:
    rows = ContactPoint.objects.filter(channel=channel, address_hash=point_hash(address), ended_at=None)
    return rows.select_related("party").first()
