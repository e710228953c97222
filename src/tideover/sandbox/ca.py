"""A certification authority and its time stamping service: it signs hashes as CMS and answers RFC 3161 requests.

    python -m tideover.sandbox.ca --port 8790 --state ca --token secret

    POST /signatures        {"request_id", "signer", "hash_algorithm": "sha256", "hash": hex} -> {"state", "signature"}
    POST /signatures/ID/code {"phone"}: sends the signer a code of six figures (into --record) -> {"state": "code_sent"}
    GET  /signatures/ID     what became of a request; 404: it never arrived
    POST /tsa               application/timestamp-query -> application/timestamp-reply
    GET  /root.pem          the test root, made when the state folder is empty

A request with "code" is signed only if that is the last one sent for it within 10 minutes; otherwise {"state": "wrong_code"}, and
after five wrong ones the code is void.

`signature` is a detached CMS SignedData (DER, base64) with the signed attributes of PAdES. What was signed is written to the
state folder before it is answered, so that the process may be killed. `--signs-anew` is a fault of its own: every question about
a request makes one more signature.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import itertools
import json
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tideover.sandbox.http_peer import NOT_TAKEN, Reply, Request, serve
from tideover.sandbox.peer import arguments

YEARS = timedelta(days=3650)
CODE_S, TRIES = 600, 5
POLICY = "1.3.6.1.4.1.99999.1.1"


class Holder:
    """A key and its certificate."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.key, self.certificate = key, certificate
        self.asn1 = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))

    def sign(self, data: bytes) -> bytes:
        """ECDSA on P-256 with SHA-256."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


class Authority:
    """Root, time stamping key, one key a signer, and every request it was asked."""

    def __init__(self, state: Path, anew: bool) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.state, self.anew, self.lock = state, anew, threading.Lock()
        self.root = self.holder("root", None)
        self.clock = self.holder("tsa", self.root)
        self.serials = itertools.count(int(datetime.now(UTC).timestamp() * 1000))

    def holder(self, name: str, issuer: Holder | None) -> Holder:
        """The kept key and certificate of a name, made at the first call."""
        path = self.state / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.pem"
        if not path.exists():
            key, certificate = _certificate(name, issuer)
            text = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )  # fmt: skip
            pem = certificate.public_bytes(serialization.Encoding.PEM)
            part = path.with_suffix(".part")
            part.write_bytes(text + pem)
            part.replace(path)
            if issuer is None:
                (self.state / "root.pem").write_bytes(pem)
        data = path.read_bytes()
        key = serialization.load_pem_private_key(data, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Holder(key, x509.load_pem_x509_certificate(data[data.index(b"-----BEGIN CERTIFICATE") :]))

    def kept(self, request_id: str) -> dict[str, Any] | None:
        """What became of a request; None: it never arrived."""
        path = self._path(request_id)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def _path(self, request_id: str) -> Path:
        return self.state / f"request-{hashlib.sha256(request_id.encode()).hexdigest()[:24]}.json"

    def code_new(self, request_id: str) -> str:
        """A new code for a request, written down; the one before it is void."""
        code = f"{secrets.randbelow(10**6):06}"
        made = {"code": code, "until": time.time() + CODE_S, "left": TRIES}
        self._path(f"code:{request_id}").write_text(json.dumps(made), encoding="utf-8")
        return code

    def code_fits(self, request_id: str, typed: str) -> bool:
        """Whether what was typed is the code of a request; a wrong one costs a try."""
        with self.lock:
            path = self._path(f"code:{request_id}")
            kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"left": 0}
            if kept["left"] <= 0 or kept["until"] < time.time():
                return False
            if secrets.compare_digest(kept["code"], typed):
                return True
            path.write_text(json.dumps({**kept, "left": kept["left"] - 1}), encoding="utf-8")
            return False

    def signed(self, request_id: str, signer: str, digest: bytes) -> dict[str, Any]:
        """Sign once a request, write it down, answer it."""
        with self.lock:
            found = self.kept(request_id)
            if found is not None and found["hash"] != digest.hex():
                return {"state": "refused", "reason": "the request was for another hash"}
            if found is None or self.anew:
                made = _signed_data(self.holder(f"signer:{signer}", self.root), "data", None, digest, [self.root])
                count = 1 + (found or {}).get("count", 0)
                found = {
                    "request_id": request_id, "state": "signed", "signer": signer, "hash": digest.hex(), "count": count,
                    "signature": base64.b64encode(made).decode(),
                }  # fmt: skip
                self._path(request_id).write_text(json.dumps(found), encoding="utf-8")
            return found

    def refused(self, request_id: str, digest: bytes, reason: str) -> dict[str, Any]:
        """Refuse a request for good, and remember it."""
        with self.lock:
            said = {"request_id": request_id, "state": "refused", "reason": reason, "hash": digest.hex()}
            self._path(request_id).write_text(json.dumps(said), encoding="utf-8")
            return said

    def stamp(self, query: bytes) -> bytes:
        """RFC 3161: a reply to a DER time stamp request."""
        asked = tsp.TimeStampReq.load(query)
        info = {
            "version": "v1", "policy": POLICY, "message_imprint": asked["message_imprint"], "serial_number": next(self.serials),
            "gen_time": datetime.now(UTC).replace(microsecond=0),
        }  # fmt: skip
        if asked["nonce"].native is not None:
            info["nonce"] = asked["nonce"]
        content = tsp.TSTInfo(info).dump()
        token = _signed_data(self.clock, "tst_info", content, hashlib.sha256(content).digest(), [self.root])
        answer = {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
        return tsp.TimeStampResp(answer).dump()


def _certificate(name: str, issuer: Holder | None) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    said = {"root": "Sandbox Root CA", "tsa": "Sandbox Time Stamping"}.get(name, name.removeprefix("signer:"))
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sandbox CA"), x509.NameAttribute(NameOID.COMMON_NAME, said)]
    )
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + YEARS)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(issuer is None), critical=True)
    )  # fmt: skip
    if name == "tsa":
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return key, builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _usage(is_root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root, content_commitment=not is_root, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=is_root, crl_sign=is_root, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _signed_data(holder: Holder, kind: str, content: bytes | None, digest: bytes, others: Sequence[Holder]) -> bytes:
    """CMS SignedData (DER) over content whose SHA-256 is `digest`; without content it is detached."""
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    named = tsp.ESSCertIDv2({"hash_algorithm": sha256, "cert_hash": hashlib.sha256(holder.asn1.dump()).digest()})
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": [kind]}),
            cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [named]})]}),
        ]
    )
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {"issuer_and_serial_number": {"issuer": holder.asn1.issuer, "serial_number": holder.asn1.serial_number}}
            ),
            "digest_algorithm": sha256,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": holder.sign(attributes.dump()),
        }
    )
    enclosed: dict[str, Any] = {"content_type": kind}
    if content is not None:
        enclosed["content"] = core.ParsableOctetString(content)
    data = cms.SignedData(
        {
            "version": "v1" if content is None else "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": enclosed,
            "certificates": [holder.asn1, *(o.asn1 for o in others)],
            "signer_infos": [signer],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())


def answer_with(args: argparse.Namespace, authority: Authority) -> Any:
    """The function that answers requests."""

    def answer(r: Request) -> Reply:
        if r.path == "/root.pem":
            return Reply((authority.state / "root.pem").read_bytes(), headers={"Content-Type": "application/x-pem-file"})
        if r.path == "/tsa" and r.headers.get("content-type") == "application/timestamp-query":
            return Reply(authority.stamp(r.body), headers={"Content-Type": "application/timestamp-reply"})
        if r.headers.get("authorization") != f"Bearer {args.token}":
            return Reply({"reason": "unknown token"}, 401)
        drawn = args.faults.draw()
        if r.method == "GET" and r.path.startswith("/signatures/"):
            found = authority.kept(r.path.removeprefix("/signatures/"))
            if found is not None and found["state"] == "signed" and authority.anew:
                found = authority.signed(found["request_id"], found["signer"], bytes.fromhex(found["hash"]))
            return Reply(found or {"reason": "never asked"}, 200 if found else 404, drawn=drawn)
        if r.method == "POST" and r.path.startswith("/signatures/") and r.path.endswith("/code"):
            return _code(args, authority, r, drawn)
        if r.method != "POST" or r.path != "/signatures":
            return Reply({"reason": "no such address"}, 404)
        return _asked(args, authority, r, drawn)

    return answer


def _code(args: argparse.Namespace, authority: Authority, r: Request, drawn: frozenset[str]) -> Reply:
    request_id = r.path.removeprefix("/signatures/").removesuffix("/code")
    if drawn & NOT_TAKEN:
        return Reply(drawn=drawn)
    if "reject" in drawn:
        return Reply({"state": "refused", "reason": "the number cannot be reached"}, drawn=drawn)
    args.people.write(peer="ca", request_id=request_id, to=r.json()["phone"], code=authority.code_new(request_id))
    return Reply({"state": "code_sent"}, drawn=drawn)


def _asked(args: argparse.Namespace, authority: Authority, r: Request, drawn: frozenset[str]) -> Reply:
    try:
        body = r.json()
        digest, request_id, signer = bytes.fromhex(body["hash"]), str(body["request_id"]), str(body["signer"])
        if body["hash_algorithm"] != "sha256" or len(digest) != 32:
            raise ValueError("hash")
    except (ValueError, KeyError, TypeError):
        return Reply({"reason": "the request cannot be read"}, 400)
    if drawn & NOT_TAKEN:
        return Reply(drawn=drawn)
    if "reject" in drawn:
        return Reply(authority.refused(request_id, digest, "the signer is not registered"), drawn=drawn)
    if "code" in body and authority.kept(request_id) is None and not authority.code_fits(request_id, str(body["code"])):
        return Reply({"state": "wrong_code", "reason": "the code is wrong or too old"}, drawn=drawn)
    said = authority.signed(request_id, signer, digest)
    args.people.write(peer="ca", request_id=request_id, state=said["state"], hash=digest.hex())
    return Reply(said, drawn=drawn)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until killed."""

    def more(p: argparse.ArgumentParser) -> None:
        p.add_argument("--state", type=Path, required=True, help="folder of keys, root.pem and requests")
        p.add_argument("--token", default="sandbox", help="bearer token that callers must send")
        p.add_argument("--signs-anew", action="store_true", help="fault: one more signature at every question")

    args = arguments(__doc__ or "", 8790, argv, more)
    serve(args, "certification authority", answer_with(args, Authority(args.state, args.signs_anew)))


if __name__ == "__main__":
    main()
