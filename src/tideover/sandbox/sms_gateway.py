"""The two HTTP gateways for text messages on one port: Aliyun-shaped calls and Tencent-shaped calls, told apart by their headers.

It knows one key (--key-id, --secret), checks each signature from the bytes that came in, refuses a nonce used before, keeps what
it took for inquiries, and reports to --receipts (an address of ours).
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tideover.sandbox.http_peer import NOT_TAKEN, Reply, Request, report_later, serve
from tideover.sandbox.peer import arguments

CHINA = timezone(timedelta(hours=8))
NAMES_ALI = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"


@dataclass
class Gateway:
    """What was taken: rows by order, nonces seen."""

    args: argparse.Namespace
    rows: list[dict[str, Any]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=lambda: itertools.count(1000))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, r: Request) -> Reply:
        """Answer either dialect."""
        if r.headers.get("x-acs-action"):
            return self.aliyun(r)
        if r.headers.get("x-tc-action"):
            return self.tencent(r)
        return Reply({"Code": "InvalidAction"}, 400)

    def take(self, drawn: frozenset[str], **row: Any) -> dict[str, Any]:
        """Keep a message and record it as received, or as not reached."""
        with self.lock:
            row |= {"id": f"{next(self.numbers)}^0", "at": datetime.now(CHINA), "status": 2 if "fail" in drawn else 3}
            self.rows.append(row)
        self.args.people.write(peer="sms_gateway", to=row["to"], text=row["text"], key=row["key"], reached=row["status"] == 3)
        return row

    # Aliyun

    def aliyun(self, r: Request) -> Reply:
        """SendSms and QuerySendDetails."""
        if problem := self.aliyun_refused(r):
            return Reply({"Code": problem, "Message": problem, "RequestId": "0"}, 400)
        action = r.headers["x-acs-action"]
        if action == "SendSms":
            return self.aliyun_send(r.query)
        if action == "QuerySendDetails":
            return self.aliyun_query(r.query)
        return Reply({"Code": "InvalidAction.NotFound", "Message": action}, 404)

    def aliyun_refused(self, r: Request) -> str:
        """Code of what is wrong with the signature, or ''."""
        head = dict(x.split("=", 1) for x in r.headers.get("authorization", "").removeprefix("ACS3-HMAC-SHA256 ").split(","))
        if head.get("Credential") != self.args.key_id:
            return "InvalidAccessKeyId.NotFound"
        if head.get("SignedHeaders") != NAMES_ALI or r.headers["x-acs-content-sha256"] != hashlib.sha256(r.body).hexdigest():
            return "SignatureDoesNotMatch"
        signed = "".join(f"{n}:{r.headers[n].strip()}\n" for n in NAMES_ALI.split(";"))
        pairs = "&".join(sorted(r.raw_query.split("&")))
        text = "\n".join([r.method, r.path, pairs, signed, NAMES_ALI, r.headers["x-acs-content-sha256"]])
        words = "ACS3-HMAC-SHA256\n" + hashlib.sha256(text.encode()).hexdigest()
        if hmac.new(self.args.secret.encode(), words.encode(), hashlib.sha256).hexdigest() != head.get("Signature"):
            return "SignatureDoesNotMatch"
        age = abs((datetime.now(UTC) - datetime.fromisoformat(r.headers["x-acs-date"].replace("Z", "+00:00"))).total_seconds())
        if age > 900:
            return "InvalidTimeStamp.Expired"
        nonce = r.headers["x-acs-signature-nonce"]
        if nonce in self.nonces:
            return "SignatureNonceUsed"
        self.nonces.add(nonce)
        return ""

    def aliyun_send(self, q: dict[str, str]) -> Reply:
        """Take one message."""
        drawn = self.args.faults.draw()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        if "reject" in drawn or not q["TemplateCode"].startswith("SMS_"):
            return Reply({"Code": "isv.SMS_TEMPLATE_ILLEGAL", "Message": "no such template", "RequestId": "0"})
        if "throttle" in drawn:
            words = "触发分钟级流控Permits:1"
            return Reply({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": words, "RequestId": "0"})
        text = f"【{q['SignName']}】{q['TemplateCode']} {q['TemplateParam']} {q['OutId']}"
        row = self.take(drawn, to=q["PhoneNumbers"], text=text, key=q["OutId"])

        def report(good: bool) -> tuple[str, Any]:
            now = datetime.now(CHINA).strftime("%Y-%m-%d %H:%M:%S")
            one = {"phone_number": row["to"], "send_time": now, "report_time": now, "success": good, "sms_size": "1"}
            one |= {"err_code": "DELIVERED" if good else "UNDELIV", "err_msg": "", "biz_id": row["id"], "out_id": row["key"]}
            return self.args.receipts, [one]

        report_later(self.args, drawn, report)
        return Reply({"Code": "OK", "Message": "OK", "BizId": row["id"], "RequestId": "0"}, drawn=drawn)

    def aliyun_query(self, q: dict[str, str]) -> Reply:
        """List the messages of a number on a day."""
        found = [r for r in self.rows if r["to"] == q["PhoneNumber"] and r["at"].strftime("%Y%m%d") == q["SendDate"]]
        size, page = int(q["PageSize"]), int(q["CurrentPage"])
        shown = [
            {
                "OutId": r["key"],
                "SendStatus": r["status"],
                "ReceiveDate": r["at"].strftime("%Y-%m-%d %H:%M:%S"),
                "ErrCode": "UNDELIV" if r["status"] == 2 else "DELIVERED",
                "PhoneNum": r["to"],
            }
            for r in found[(page - 1) * size : page * size]
        ]
        return Reply({"Code": "OK", "TotalCount": len(found), "SmsSendDetailDTOs": {"SmsSendDetailDTO": shown}})

    # Tencent

    def tencent(self, r: Request) -> Reply:
        """SendSms and PullSmsSendStatusByPhoneNumber."""
        if problem := self.tencent_refused(r):
            return Reply({"Response": {"Error": {"Code": problem, "Message": problem}, "RequestId": "0"}})
        action = r.headers["x-tc-action"]
        if action == "SendSms":
            return self.tencent_send(r.json())
        if action == "PullSmsSendStatusByPhoneNumber":
            return self.tencent_query(r.json())
        return Reply({"Response": {"Error": {"Code": "InvalidAction", "Message": action}, "RequestId": "0"}})

    def tencent_refused(self, r: Request) -> str:
        """Code of what is wrong with the signature, or ''."""
        second = int(r.headers["x-tc-timestamp"])
        if abs(time.time() - second) > 300:
            return "AuthFailure.SignatureExpire"
        scope = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d") + "/sms/tc3_request"
        text = f"POST\n{r.path}\n{r.raw_query}\ncontent-type:{r.headers['content-type']}\nhost:{r.headers['host']}\n\n"
        text += "content-type;host\n" + hashlib.sha256(r.body).hexdigest()
        words = f"TC3-HMAC-SHA256\n{second}\n{scope}\n" + hashlib.sha256(text.encode()).hexdigest()
        key = ("TC3" + self.args.secret).encode()
        for step in scope.split("/"):
            key = hmac.new(key, step.encode(), "sha256").digest()
        wanted = f"TC3-HMAC-SHA256 Credential={self.args.key_id}/{scope}, SignedHeaders=content-type;host, Signature="
        good = r.headers.get("authorization") == wanted + hmac.new(key, words.encode(), "sha256").hexdigest()
        return "" if good else "AuthFailure.SignatureFailure"

    def tencent_send(self, q: dict[str, Any]) -> Reply:
        """Take one message."""
        drawn = self.args.faults.draw()
        if drawn & NOT_TAKEN:
            return Reply(drawn=drawn)
        code = {"reject": "FailedOperation.PhoneNumberInBlacklist", "throttle": "LimitExceeded.PhoneNumberThirtySecondLimit"}
        for name, refusal in code.items():
            if name in drawn:
                return Reply({"Response": {"SendStatusSet": [{"SerialNo": "", "Code": refusal}], "RequestId": "0"}})
        to = q["PhoneNumberSet"][0]
        text = f"【{q['SignName']}】{q['TemplateId']} {q['TemplateParamSet']} {q['SessionContext']}"
        row = self.take(drawn, to=to, text=text, key=q["SessionContext"])

        def report(good: bool) -> tuple[str, Any]:
            now = datetime.now(CHINA).strftime("%Y-%m-%d %H:%M:%S")
            one = {"user_receive_time": now, "nationcode": "86", "mobile": to.removeprefix("+86"), "sid": row["id"]}
            one |= {"report_status": "SUCCESS" if good else "FAIL", "errmsg": "DELIVRD" if good else "UNDELIV", "description": ""}
            return self.args.receipts, [one]

        report_later(self.args, drawn, report)
        sent = {"SerialNo": row["id"], "PhoneNumber": to, "Fee": 1, "SessionContext": row["key"], "Code": "Ok", "Message": ""}
        return Reply({"Response": {"SendStatusSet": [sent], "RequestId": "0"}}, drawn=drawn)

    def tencent_query(self, q: dict[str, Any]) -> Reply:
        """List what the carrier has reported on for a number."""
        rows = [
            r for r in self.rows if r["to"] == q["PhoneNumber"] and r["at"].timestamp() >= q["BeginTime"] and r["status"] != 1
        ]
        shown = [
            {
                "SerialNo": r["id"],
                "SessionContext": r["key"],
                "ReportStatus": "SUCCESS" if r["status"] == 3 else "FAIL",
                "UserReceiveTime": int(r["at"].timestamp()),
                "Description": "" if r["status"] == 3 else "UNDELIV",
            }
            for r in rows
        ]
        return Reply({"Response": {"PullSmsSendStatusSet": shown[: q["Limit"]], "RequestId": "0"}})


def more(parser: argparse.ArgumentParser) -> None:
    """Arguments of this peer alone."""
    parser.add_argument("--key-id", default="test-key")
    parser.add_argument("--secret", default="test-secret")
    parser.add_argument("--receipts", default="", help="address for reports")


def main(argv: Sequence[str] | None = None) -> None:
    """Entry of python -m tideover.sandbox.sms_gateway."""
    args = arguments(__doc__ or "", 8101, argv, more)
    serve(args, "sms_gateway", Gateway(args).answer)


if __name__ == "__main__":
    main()
