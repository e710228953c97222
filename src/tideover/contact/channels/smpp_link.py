"""A bound SMPP session over smpplib that is read only when asked: no thread, and no byte lost to a timeout.

smpplib forgets what it had read when a PDU stops in the middle, trusts any length, and raises on optional parameters that it
knows for other PDUs. So the length is checked, reading begins only when something is there, and what cannot be parsed is
returned as None with its place in the stream kept.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import struct
import time
from collections import deque
from typing import Any

from smpplib import consts, exceptions, smpp
from smpplib.client import Client

PDU_BYTES_MAX = 65_536
DELIVER_SM, RESPONSE = 5, 0x80000000
logger = logging.getLogger(__name__)


class Broken(Exception):
    """The connection is gone or cannot be trusted any more."""


class Link:
    """One connection, bound as transceiver. Raises Broken for all that the network or the centre does wrong.

    `arrived`: deliver_sm that nobody has answered yet; each gets its response by `taken`.
    """

    def __init__(self, host: str, port: int, *, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self.client = Client(host, port, timeout=timeout_s, ssl_context=tls, allow_unknown_opt_params=True)
        self.client.logger.disabled = True  # it logs whole messages
        self.client.sequence_generator._sequence = 0  # the first PDU is number 1 (section 5.1.4); smpplib begins with 2
        self.client._socket = _socket(host, timeout_s, tls)
        self.timeout_s = timeout_s
        self.arrived: deque[Any] = deque()
        self.heard_at = self.asked_at = time.monotonic()

    def bind(self, system_id: str, password: str) -> int:
        """Connect and bind; returns the command status (0: bound). Raises Broken."""
        try:
            self.client.connect()
            self.client.bind_transceiver(system_id=system_id, password=password)
        except exceptions.PDUError as problem:
            self.drop()
            return int(problem.args[1]) if len(problem.args) > 1 else consts.SMPP_ESME_RBINDFAIL
        except Exception as problem:  # whatever smpplib makes of a peer that speaks no SMPP
            self.drop()
            raise Broken(type(problem).__name__) from None
        return 0

    def ask(self, command: str, **fields: Any) -> Any:
        """Send one request and wait for its response; what else arrives meanwhile is kept. Raises Broken after writing began."""
        request = smpp.make_pdu(command, client=self.client, **fields)
        self._write(request)
        deadline = time.monotonic() + self.timeout_s
        while (left := deadline - time.monotonic()) > 0:
            pdu = self._read(left)
            if pdu is not None and pdu.sequence == request.sequence and pdu.command in (f"{command}_resp", "generic_nack"):
                return pdu
        raise Broken("timeout")

    def pump(self) -> None:
        """Read all that is there, without waiting."""
        while self._readable(0):
            self._read(0)

    def keep_alive(self, every_s: float) -> None:
        """Ask whether the centre is there when it was silent for `every_s`; Broken when it stays silent as long again."""
        now = time.monotonic()
        if now - self.heard_at > 2 * every_s:
            raise Broken("silent")
        if now - max(self.heard_at, self.asked_at) > every_s:
            self.asked_at = now
            self._write(smpp.make_pdu("enquire_link", client=self.client))

    def taken(self, pdu: Any) -> None:
        """Answer a deliver_sm: the centre may forget it now."""
        self._answer(pdu, "deliver_sm_resp")

    def unbind(self) -> None:
        """Say goodbye, as far as the other side still listens."""
        with contextlib.suppress(Broken):
            self.ask("unbind")
        self.drop()

    def drop(self) -> None:
        """Close the connection without a word."""
        self.client.state = consts.SMPP_CLIENT_STATE_OPEN
        self.client.disconnect()

    def _answer(self, pdu: Any, command: str) -> None:
        answer = smpp.make_pdu(command, client=self.client)
        answer.sequence = pdu.sequence
        self._write(answer)

    def _write(self, pdu: Any) -> None:
        try:
            self.client.send_pdu(pdu)
        except (exceptions.ConnectionError, exceptions.PDUError, AttributeError) as problem:
            raise Broken(type(problem).__name__) from None

    def _readable(self, wait_s: float) -> bool:
        if self.client._socket is None:
            raise Broken("closed")
        if isinstance(self.client._socket, ssl.SSLSocket) and self.client._socket.pending():
            return True
        return bool(select.select([self.client._socket], [], [], wait_s)[0])

    def _read(self, wait_s: float) -> Any:
        """The next PDU within `wait_s`, or None; requests of the centre are answered or kept on the way."""
        if not self._readable(wait_s):
            return None
        pdu = self._parse(self._bytes())
        self.heard_at = time.monotonic()
        if pdu is None:
            return None
        if pdu.command == "deliver_sm":
            self.arrived.append(pdu)
        elif pdu.command == "enquire_link":
            self._answer(pdu, "enquire_link_resp")
        elif pdu.command == "unbind":
            self._answer(pdu, "unbind_resp")
            raise Broken("unbound")
        return pdu

    def _bytes(self) -> bytes:
        try:
            head = self.client._recv_exact(4)
            (length,) = struct.unpack(">L", head)
            if not 16 <= length <= PDU_BYTES_MAX:
                raise Broken("garbage")
            return bytes(head + self.client._recv_exact(length - 4))
        except (TimeoutError, exceptions.ConnectionError, OSError) as problem:
            raise Broken(type(problem).__name__) from None

    def _parse(self, raw: bytes) -> Any:
        try:
            return smpp.parse_pdu(raw, client=self.client, allow_unknown_opt_params=True)
        except Exception:  # smpplib raises a dozen kinds
            length, command, _, sequence = struct.unpack(">LLLL", raw[:16])
            logger.warning("an SMPP PDU of %d bytes, command %#x, could not be read", length, command)
            if not command & RESPONSE:
                self._write_raw(struct.pack(">LLLL", 16, RESPONSE, consts.SMPP_ESME_RSYSERR, sequence))
            return None

    def _write_raw(self, data: bytes) -> None:
        try:
            self.client._socket.sendall(data)
        except OSError as problem:
            raise Broken(type(problem).__name__) from None


def _socket(host: str, timeout_s: float, tls: ssl.SSLContext | None) -> socket.socket:
    """A socket not yet connected. smpplib's own names no host in the TLS handshake, so no certificate could be checked."""
    plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    plain.settimeout(timeout_s)
    return tls.wrap_socket(plain, server_hostname=host) if tls else plain
