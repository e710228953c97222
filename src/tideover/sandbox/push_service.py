"""A push service and the browsers behind it.

    POST /browsers           a new browser: returns {endpoint, p256dh, auth}, as PushManager.subscribe gives them to a page
    DELETE /push/ID          the browser forgets the site: later messages get 410
    POST /push/ID            a message (RFC 8030): checks the VAPID token against --key, decrypts as the browser does (RFC 8291)

A shown message is reported to --receipts, as the service worker does.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import http_ece
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tideover.sandbox.http_peer import NOT_TAKEN, Reply, Request, report_later, serve
from tideover.sandbox.peer import arguments


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of it."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Service:
    """Browsers by id: private key, secret, and whether they still want messages."""

    args: argparse.Namespace
    browsers: dict[str, tuple[ec.EllipticCurvePrivateKey, bytes]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def answer(self, r: Request) -> Reply:
        """Answer a browser or a sender."""
        name = r.path.removeprefix("/push/")
        if r.path == "/browsers":
            return self.browser()
        if name not in self.browsers:
            return Reply({}, 404)
        if r.method == "DELETE":
            self.gone.add(name)
            return Reply({}, 204)
        return self.push(r, name)

    def browser(self) -> Reply:
        """A browser agrees."""
        key, secret, name = ec.generate_private_key(ec.SECP256R1()), os.urandom(16), b64(os.urandom(9))
        self.browsers[name] = key, secret
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        endpoint = f"http://{self.args.host}:{self.args.port}/push/{name}"
        return Reply({"endpoint": endpoint, "p256dh": b64(point), "auth": b64(secret)}, 201)

    def push(self, r: Request, name: str) -> Reply:
        """Take one message."""
        drawn = self.args.faults.draw()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        if not self.known(r) or not r.headers.get("ttl", "").isdigit():
            return Reply({"problem": "VAPID or TTL"}, 403)
        if name in self.gone:
            return Reply({}, 410)
        if "throttle" in drawn:
            return Reply({}, 429, {"Retry-After": "9"})
        if "reject" in drawn:
            return Reply({}, 413)
        key, secret = self.browsers[name]
        m = json.loads(http_ece.decrypt(r.body, private_key=key, auth_secret=secret, version="aes128gcm"))
        self.args.people.write(peer="push", to=name, text=f"{m['title']} {m['body']}", key=m["tag"])
        if "fail" not in drawn:
            report_later(self.args, drawn, lambda good: (self.args.receipts, {"receipt": m["receipt"]}))
        return Reply({}, 201, drawn=drawn)

    def known(self, r: Request) -> bool:
        """Whether the sender's token is signed by the key that the browser subscribed to, for this service, and has not ended."""
        fields = dict(p.strip().split("=", 1) for p in r.headers.get("authorization", "t=,k=").removeprefix("vapid ").split(","))
        if self.args.key and fields["k"] != self.args.key:
            return False
        head, body, signature = fields["t"].split(".")
        raw = unb64(signature)
        der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(fields["k"]))
        try:
            public.verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        claims: dict[str, Any] = json.loads(unb64(body))
        return claims["aud"] == f"http://{self.args.host}:{self.args.port}" and claims["exp"] > time.time()


def more(parser: argparse.ArgumentParser) -> None:
    """Arguments of this peer alone."""
    parser.add_argument("--key", default="", help="the lender's public key; empty: any")
    parser.add_argument("--receipts", default="", help="address to which the service worker reports")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.push_service."""
    args = arguments(__doc__ or "", 8103, argv, more)
    serve(args, "push_service", Service(args).answer)


if __name__ == "__main__":
    main()
