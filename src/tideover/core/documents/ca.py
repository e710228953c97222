"""The adapter of a certification authority: ask for a signature over a hash, inquire what became of it, get a time stamp.

What is certain is told apart from what is not: an answer that did not come, or cannot be read, is `unknown`, and only an inquiry
settles it. The authority's dialect (sandbox/ca.py) is JSON around CMS; time stamps are RFC 3161.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from asn1crypto import cms, tsp
from django.conf import settings

from tideover.core.problems import refuse

UNREADABLE = (OSError, HTTPException, ValueError, KeyError, TypeError)
"""No answer, or none that can be read: nothing is known then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`state`: signed (with the CMS, DER), refused (for good), unknown (it may have signed), absent (it was never asked),
    code_sent, wrong_code (nothing was signed)."""

    state: str
    signature: bytes = b""
    reason: str = ""


def ask(request_id: str, signer: str, digest: bytes, *, code: str | None = None) -> Answer:
    """Ask for a signature over a SHA-256. The same request_id is the same request. `code`: what the authority sent to the
    signer's telephone and the signer typed; None where the signer is the lender."""
    body = {"request_id": request_id, "signer": signer, "hash_algorithm": "sha256", "hash": digest.hex()}
    if code is not None:
        body["code"] = code
    return _answer("POST", "/signatures", json.dumps(body).encode())


def send_code(request_id: str, phone: str) -> Answer:
    """Have the authority send the signer of a request a code; each call sends a new one, and only the last counts."""
    return _answer("POST", f"/signatures/{request_id}/code", json.dumps({"phone": phone}).encode())


def inquire(request_id: str) -> Answer:
    """What became of a request."""
    return _answer("GET", f"/signatures/{request_id}", None)


def is_set_up() -> bool:
    """Whether there is an authority to ask."""
    return bool(settings.CA_ADDRESS)


def _answer(method: str, path: str, body: bytes | None) -> Answer:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {settings.CA_TOKEN}"}
    try:
        said = json.loads(_call(method, settings.CA_ADDRESS + path, body, headers))
        state = said["state"]
        if state == "signed":
            return Answer("signed", base64.b64decode(said["signature"], validate=True))
        if state == "refused":
            return Answer("refused", reason=str(said.get("reason", ""))[:200])
        if state in ("code_sent", "wrong_code"):
            return Answer(state, reason=str(said.get("reason", ""))[:200])
        return Answer("unknown", reason=f"it says {state!r}"[:200])
    except urllib.error.HTTPError as error:
        if error.code == 404 and method == "GET":
            return Answer("absent")
        return Answer("unknown", reason=f"it answers {error.code}")
    except UNREADABLE as error:
        return Answer("unknown", reason=f"no answer that can be read ({type(error).__name__})")


def _call(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=settings.CA_TIMEOUT_S) as response:
        found: bytes = response.read(1 << 20)
    return found


def stamp(data: bytes) -> bytes:
    """An RFC 3161 token (DER ContentInfo) over SHA-256 of `data`. Raises Refused when none comes, or for another hash."""
    imprint = hashlib.sha256(data).digest()
    nonce = secrets.randbits(63)
    query = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": imprint},
            "nonce": nonce,
            "cert_req": True,
        }
    )
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        said = tsp.TimeStampResp.load(_call("POST", settings.TSA_ADDRESS, query.dump(), headers))
        if said["status"]["status"].native not in ("granted", "granted_with_mods"):
            raise ValueError(said["status"]["status"].native)
        token = said["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        if info["message_imprint"]["hashed_message"].native != imprint or info["nonce"].native != nonce:
            raise ValueError("it stamps something else")
        return bytes(token.dump())
    except (*UNREADABLE, AttributeError) as error:
        raise refuse("no_time_stamp", f"no time stamp came ({type(error).__name__}: {error})"[:180]) from error


def with_stamp(signature: bytes, token: bytes) -> bytes:
    """The CMS with the time stamp of its signature value as an unsigned attribute (CAdES-T, RFC 5126)."""
    content = cms.ContentInfo.load(signature)
    info = content["content"]["signer_infos"][0]
    attribute = cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [cms.ContentInfo.load(token)]})
    info["unsigned_attrs"] = cms.CMSAttributes([attribute])
    return bytes(content.dump())


def signature_value(signature: bytes) -> bytes:
    """The signature bytes inside a CMS. Raises ValueError when it is no CMS with one signer."""
    data: Any = cms.ContentInfo.load(signature)["content"]
    return bytes(data["signer_infos"][0]["signature"].native)


def message_digest(signature: bytes) -> bytes:
    """The digest that a CMS signs. Raises ValueError when it names none."""
    info = cms.ContentInfo.load(signature)["content"]["signer_infos"][0]
    for attribute in info["signed_attrs"]:
        if attribute["type"].native == "message_digest":
            return bytes(attribute["values"][0].native)
    raise ValueError("no message digest")
