"""`tideover channels`: which gateway serves each channel, the addresses that gateways call, and new keys for Web Push."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `channels`."""
    p = commands.add_parser(
        "channels",
        help="gateways of messages: which serve, what they call, keys for Web Push",
        description="Without --push-keys: every channel with its gateway, and the addresses to give to the gateway. They hold a "
        "secret: whoever knows one can report on messages.",
    )
    p.add_argument("--push-keys", action="store_true", help="make a new pair of keys for TIDEOVER_PUSH and print it")
    p.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    p.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Handle `channels`."""
    if args.push_keys:
        return push_keys(args)
    import django

    django.setup()
    try:
        rows = table()
    except ValueError as problem:
        print(f"channels: {problem}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"channels": rows}, ensure_ascii=False))
        return 0
    for row in rows:
        print(f"{row['channel']:8} {row['gateway']:12} {row['at']}")
        for address in row["calls_us_at"]:
            print(f"{'':22}{address}")
    return 0


def table() -> list[dict[str, Any]]:
    """One row a channel. Raises ValueError for an address that cannot be read."""
    from django.conf import settings

    from tideover.contact.channels.base import adapter_for
    from tideover.contact.channels.hooks import EVENTS, READERS, gateway_address, hook_token
    from tideover.contact.rules.model import Channel

    rows = []
    for name in settings.CHANNELS:
        adapter = adapter_for(Channel[name])
        address = gateway_address(adapter.name)
        hooks = [
            f"{settings.SITE_URL}/hooks/{gateway}/{hook_token(gateway)}/{what}"
            for gateway, what in (*READERS, *EVENTS)
            if gateway == adapter.name
        ]
        at = address.netloc if address else ""
        rows.append({"channel": name.lower(), "gateway": adapter.name, "at": at, "calls_us_at": hooks})
    return rows


def push_keys(args: argparse.Namespace) -> int:
    """Print a new pair of keys."""
    import base64

    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_numbers().private_value.to_bytes(32, "big")
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    pair = {
        name: base64.urlsafe_b64encode(data).rstrip(b"=").decode() for name, data in (("private", private), ("public", public))
    }
    if args.json:
        print(json.dumps(pair))
    else:
        print(f"TIDEOVER_PUSH=vapid:{pair['private']}?subject=mailto:YOU@YOUR.HOST\npublic key: {pair['public']}")
    return 0
