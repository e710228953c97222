"""A text message centre: SMPP 3.4 read from the specification with struct alone, so that it judges the client's library too.

Binds any system id whose password is --password, takes submit_sm, puts the parts of long texts together as a telephone does,
sends receipts (again after a lost connection, until they are acknowledged), answers query_sm and enquire_link.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from tideover.sandbox.peer import arguments

HEADER = struct.Struct(">LLLL")
BIND_RECEIVER, BIND_TRANSMITTER, QUERY, SUBMIT, DELIVER, UNBIND, BIND, ENQUIRE = 1, 2, 3, 4, 5, 6, 9, 0x15
RESPONSE, NACK = 0x80000000, 0x80000000
OK, BAD_COMMAND, NOT_BOUND, BAD_DESTINATION, BAD_PASSWORD, BAD_ID, THROTTLED = 0, 3, 4, 0x0B, 0x0E, 0x0C, 0x58
DELIVERED, FAILED, EN_ROUTE = 2, 5, 1
CHINA = timezone(timedelta(hours=8))
WORD = {DELIVERED: "DELIVRD", FAILED: "UNDELIV", EN_ROUTE: "ENROUTE"}


def cstring(data: bytes, at: int) -> tuple[str, int]:
    """A C-octet string and the place after it."""
    end = data.index(b"\0", at)
    return data[at:end].decode("ascii"), end + 1


def submit_read(body: bytes) -> dict[str, Any]:
    """The fields of submit_sm (section 4.4.1). Raises ValueError, IndexError or struct.error for what is none."""
    out: dict[str, Any] = {}
    out["service_type"], at = cstring(body, 0)
    out["source_ton"], out["source_npi"] = body[at], body[at + 1]
    out["source"], at = cstring(body, at + 2)
    out["to_ton"], out["to_npi"] = body[at], body[at + 1]
    out["to"], at = cstring(body, at + 2)
    out["esm_class"], at = body[at], at + 3
    _, at = cstring(body, at)
    _, at = cstring(body, at)
    out["registered"], out["coding"], length = body[at], body[at + 2], body[at + 4]
    at += 5
    out["message"], at, out["tlvs"] = body[at : at + length], at + length, {}
    if len(out["message"]) != length:
        raise ValueError("short message cut off")
    while at < len(body):
        tag, size = struct.unpack_from(">HH", body, at)
        out["tlvs"][tag] = body[at + 4 : at + 4 + size]
        at += 4 + size
    return out


@dataclass
class Centre:
    """Messages by id, parts that wait for the rest, receipts that nobody acknowledged yet, and the open sessions."""

    args: argparse.Namespace
    states: dict[str, int] = field(default_factory=dict)
    pieces: dict[tuple[str, str, int], dict[int, str]] = field(default_factory=dict)
    owed: dict[int, bytes] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    last_id: int = 0x1000
    sequence: int = 0
    server: asyncio.Server | None = None

    def take(self, f: dict[str, Any], reached: bool) -> str:
        """Accept a submit_sm: returns its message id. A whole text is recorded as received, or as not reached."""
        self.last_id += 1
        message_id = format(self.last_id, "X") if self.args.ids.startswith("hex") else str(self.last_id)
        raw, part, count, reference = f["message"], 1, 1, 0
        if f["esm_class"] & 0x40:
            reference, count, part = raw[3], raw[4], raw[5]
            raw = raw[raw[0] + 1 :]
        text = raw.decode("utf-16-be" if f["coding"] == 8 else "latin-1")
        pieces = self.pieces.setdefault((f["source"], f["to"], reference if count > 1 else -self.last_id), {})
        pieces[part] = text
        if len(pieces) == count:
            del self.pieces[(f["source"], f["to"], reference if count > 1 else -self.last_id)]
            whole = "".join(pieces[i] for i in sorted(pieces))
            self.args.people.write(
                peer="smsc", to=f["to"], source=f["source"], text=whole, id=message_id, parts=count, reached=reached
            )
        return message_id

    def receipt(self, f: dict[str, Any], message_id: str, state: int) -> bytes:
        """Body of the deliver_sm that reports on a message (appendix B)."""
        number = self.last_id if message_id == "" else int(message_id, 16 if self.args.ids.startswith("hex") else 10)
        in_text = {"dec": str(number), "hex": format(number, "X")}.get(self.args.ids.partition("-")[2], message_id)
        now = datetime.now(CHINA).strftime("%y%m%d%H%M%S" if self.args.seconds else "%y%m%d%H%M")
        good = state == DELIVERED
        words = f"id:{in_text} sub:001 dlvrd:{good:03d} submit date:{now} done date:{now} stat:{WORD[state]} "
        words += f"err:{0 if good else 27:03d} text:"
        return self.deliver_body(f["to"], f["source"], 4, words.encode(), self._tlvs(f, message_id, state))

    def _tlvs(self, f: dict[str, Any], message_id: str, state: int) -> bytes:
        if not self.args.tlvs:
            return b""
        name = message_id.encode() + b"\0"
        out = struct.pack(">HH", 0x1E, len(name)) + name + struct.pack(">HHB", 0x427, 1, state)
        if 0x204 in f["tlvs"]:
            out += struct.pack(">HH", 0x204, 2) + f["tlvs"][0x204]
        return out

    @staticmethod
    def deliver_body(source: str, to: str, esm_class: int, message: bytes, tlvs: bytes = b"", coding: int = 0) -> bytes:
        """Body of a deliver_sm."""
        head = b"\0" + b"\1\1" + source.encode() + b"\0" + b"\0\0" + to.encode() + b"\0"
        return head + bytes([esm_class, 0, 0, 0, 0, 0, 0, coding, 0, len(message)]) + message + tlvs

    def owe(self, body: bytes) -> None:
        """Send a deliver_sm, and again at each new session until it is acknowledged."""
        self.sequence += 1
        self.owed[self.sequence] = body
        for session in self.sessions[-1:]:
            session.write(DELIVER, OK, self.sequence, body)

    async def fall(self) -> None:
        """Restart: lose all sessions, be away, come back."""
        assert self.server is not None
        self.server.close()
        for session in list(self.sessions):
            session.cut()
        await asyncio.sleep(self.args.down)
        await self.listen()

    async def listen(self) -> None:
        """Open the port."""
        self.server = await asyncio.start_server(self.meet, self.args.host, self.args.port)

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        session = Session(self, reader, writer)
        try:
            await session.run()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            session.cut()


@dataclass
class Session:
    """One connection."""

    centre: Centre
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    bound: bool = False

    def write(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        """Send a PDU."""
        self.writer.write(HEADER.pack(16 + len(body), command, status, sequence) + body)

    def cut(self) -> None:
        """Close the connection."""
        if self in self.centre.sessions:
            self.centre.sessions.remove(self)
        self.writer.transport.abort()

    async def run(self) -> None:
        """Read and answer PDUs; returns when the peer unbinds."""
        while True:
            length, command, _status, sequence = HEADER.unpack(await self.reader.readexactly(16))
            if not 16 <= length <= 65_536:
                return
            body = await self.reader.readexactly(length - 16)
            if command in (BIND, BIND_RECEIVER, BIND_TRANSMITTER):
                self.bind(command, sequence, body)
            elif command == ENQUIRE:
                self.write(ENQUIRE | RESPONSE, OK, sequence)
            elif command == UNBIND:
                self.write(UNBIND | RESPONSE, OK, sequence)
                await self.writer.drain()
                return
            elif command == DELIVER | RESPONSE:
                self.centre.owed.pop(sequence, None)
            elif command & RESPONSE:
                continue
            elif not self.bound:
                self.write(command | RESPONSE, NOT_BOUND, sequence)
            elif command == SUBMIT:
                await self.submit(sequence, body)
            elif command == QUERY:
                self.query(sequence, body)
            else:
                self.write(NACK, BAD_COMMAND, sequence)

    def bind(self, command: int, sequence: int, body: bytes) -> None:
        """Answer a bind; what is owed goes out at once."""
        _system_id, at = cstring(body, 0)
        password, _ = cstring(body, at)
        if self.centre.args.password and password != self.centre.args.password:
            self.write(command | RESPONSE, BAD_PASSWORD, sequence)
            return
        self.bound = True
        self.centre.sessions.append(self)
        self.write(command | RESPONSE, OK, sequence, b"SMSC\0")
        for number, owed in self.centre.owed.items():
            self.write(DELIVER, OK, number, owed)

    async def submit(self, sequence: int, body: bytes) -> None:
        """Take one message, with the faults that chance has for it."""
        centre, drawn = self.centre, self.centre.args.faults.draw()
        if "drop_before" in drawn:
            return self.cut()
        if "restart" in drawn:
            await centre.fall()
            return None
        try:
            f = submit_read(body)
        except (ValueError, IndexError, struct.error):
            return self.write(SUBMIT | RESPONSE, 2, sequence)
        if "reject" in drawn or not f["to"].isdigit():
            return self.write(SUBMIT | RESPONSE, BAD_DESTINATION, sequence)
        if "throttle" in drawn:
            return self.write(SUBMIT | RESPONSE, THROTTLED, sequence)
        message_id = centre.take(f, "fail" not in drawn)
        centre.states[message_id] = EN_ROUTE
        asyncio.get_running_loop().create_task(self.report(f, message_id, drawn))
        if "receipt_first" in drawn:
            await asyncio.sleep(0.05)
        if "drop_after" in drawn:
            return self.cut()
        if "garbage" in drawn:
            self.writer.write(b"\xff\xfe<html>502 Bad Gateway</html>")
            return None
        if "delay" in drawn:
            asyncio.get_running_loop().call_later(
                centre.args.delay, self.write, SUBMIT | RESPONSE, OK, sequence, message_id.encode() + b"\0"
            )
            return None
        return self.write(SUBMIT | RESPONSE, OK, sequence, message_id.encode() + b"\0")

    async def report(self, f: dict[str, Any], message_id: str, drawn: frozenset[str]) -> None:
        """Decide a message's end and report it."""
        centre = self.centre
        if "receipt_first" not in drawn:
            await asyncio.sleep(centre.args.receipt_after)
        state = FAILED if "fail" in drawn else DELIVERED
        centre.states[message_id] = state
        if not f["registered"] or "receipt_never" in drawn:
            return
        for _ in range(2 if "receipt_twice" in drawn else 1):
            centre.owe(centre.receipt(f, message_id, state))

    def query(self, sequence: int, body: bytes) -> None:
        """Answer query_sm."""
        message_id, _ = cstring(body, 0)
        state = self.centre.states.get(message_id)
        if state is None:
            return self.write(QUERY | RESPONSE, BAD_ID, sequence)
        answer = message_id.encode() + b"\0\0" + bytes([state, 0])
        return self.write(QUERY | RESPONSE, OK, sequence, answer)


async def serve(args: argparse.Namespace) -> None:
    """Run until killed. Lines of standard input {"from": …, "text": …} become messages of people to us."""
    centre = Centre(args)
    await centre.listen()
    print(f"smsc listens on {args.host}:{args.port}", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        said = json.loads(line)
        body = Centre.deliver_body(said["from"], "1069", 0, said["text"].encode("utf-16-be"), coding=8)
        centre.owe(body)
    await asyncio.Event().wait()


def more(parser: argparse.ArgumentParser) -> None:
    """Arguments of this peer alone."""
    parser.add_argument("--password", default="secret08")
    parser.add_argument("--ids", default="same", help="form of ids in responses and receipts: same, hex-dec, dec-hex")
    parser.add_argument("--no-tlvs", dest="tlvs", action="store_false", help="receipts without optional parameters")
    parser.add_argument("--seconds", action="store_true", help="dates of receipts with seconds")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.smsc."""
    asyncio.run(serve(arguments(__doc__ or "", 2775, argv, more)))


if __name__ == "__main__":
    main()
