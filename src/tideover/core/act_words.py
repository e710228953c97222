"""The acts and things of the action log in words. An act that is not here reads as its code."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

ACTS: Mapping[str, str] = {
    "answers.read": _("read answers from people"), "approval.ask": _("asked for an approval"),
    "approval.grant": _("granted an approval"), "approval.refuse": _("refused an approval"),
    "approval.read": _("read an approval"), "approval.withdraw": _("withdrew a request"),
    "backup.make": _("made a backup"), "backup.restore": _("restored a backup"),
    "books.close_period": _("closed a period of the books"), "books.entry.read": _("read a booking entry"),
    "books.export": _("exported the books"), "books.chart": _("changed the chart of accounts"),
    "call.begin": _("began a call"), "call.end": _("ended a call"), "calls.import": _("imported call records"),
    "calls.list": _("made a call list"), "calls.read": _("read a call list"), "collateral.add": _("added collateral"),
    "complaint.add": _("entered a complaint"), "complaint.close": _("closed a complaint"),
    "consent.add": _("entered a consent"), "consent.close": _("ended a consent"),
    "contact.export": _("exported the contact log"), "contact.log": _("read the contact log"),
    "contact.outcome": _("entered how a contact ended"), "contact.preferences": _("set contact preferences"),
    "contact.proof": _("read a proof of contacts"), "contact.proof.file": _("exported a proof of contacts"),
    "break.accept": _("accepted a difference with the core"), "break.mend": _("mended a difference with the core"),
    "core.file.compare": _("compared a core's file"), "core.file.refuse": _("refused a core's file"),
    "core.file.take": _("took in a core's file"), "core.policy.publish": _("published a policy beside the core"),
    "instruction.confirm": _("took down a core's confirmation"), "instruction.reject": _("took down a core's rejection"),
    "instruction.request": _("asked the core for a change"),
    "demo.build": _("built the demo"), "dispute.add": _("entered a dispute"), "dispute.close": _("closed a dispute"),
    "document.cancel": _("took a document back"), "document.download": _("downloaded a document"),
    "document.issue": _("issued a document"), "document.sign": _("signed a document"),
    "experiment.start": _("started an experiment"), "experiment.stop": _("stopped an experiment"),
    "facility.freeze": _("froze a credit line"), "facility.limit": _("changed a credit line"),
    "facility.list": _("read credit lines"), "facility.open": _("opened a credit line"), "facility.read": _("read a credit line"),
    "helprequest.add": _("entered a help request"), "helprequest.close": _("closed a help request"),
    "hold.add": _("placed a hold"), "hold.close": _("lifted a hold"), "hold.keep": _("kept a hold"),
    "hold.extend": _("extended a hold"), "hold.lift": _("lifted a hold"),
    "inbound.answered": _("dealt with an answer"), "keys.rotate": _("changed the keys"),
    "letter.delivered": _("entered a letter's delivery"), "letter.failed": _("entered a letter that came back"),
    "letters.addresses": _("downloaded addresses of letters"), "letters.batch": _("made a batch of letters"),
    "letters.files": _("downloaded letters"), "letters.post": _("posted a batch of letters"),
    "letters.read": _("read a batch of letters"), "letters.take_out": _("took a letter out of a batch"),
    "loan.demands": _("read the demands on a loan"), "loan.open": _("opened a loan"), "loan.read": _("read a loan"),
    "loan_party.add": _("added a party to a loan"), "log.export": _("exported the action log"),
    "message.cancel": _("took a message back"), "message.list": _("read the messages"), "message.queue": _("queued a message"),
    "message.read": _("read a message"), "message.resend": _("sent a message anew"), "notice.add": _("entered a notice"),
    "party.register": _("registered a person"), "person.read": _("read a person's file"),
    "person.reveal": _("showed personal data in full"), "person.search": _("searched for a person"),
    "promise.add": _("entered a promise"), "promise.close": _("closed a promise"),
    "receipt.list": _("read receipts"), "receipt.read": _("read a receipt"), "receipt.record": _("booked a receipt"),
    "receipt.reverse": _("reversed a receipt"), "sign_in": _("signed in"), "sign_in.fail": _("failed to sign in"),
    "tape.prune": _("pruned old tapes"), "template.draft": _("drafted a wording"),
    "template.publish": _("put a wording in force"),
    "template.recall": _("called a wording back"), "template.retire": _("retired a wording"),
    "template.seed": _("took in the wordings of the package"), "token.create": _("made an access token"),
    "token.revoke": _("revoked an access token"), "verdict.read": _("read a decision of the gate"),
    "entity.create": _("entered an entity"), "branch.create": _("entered a branch"), "team.create": _("entered a team"),
    "staff.create": _("entered a post"), "entity.end": _("ended an entity"), "branch.end": _("ended a branch"),
    "team.end": _("ended a team"), "staff.end": _("ended a post"),
    "work.claim": _("took a case"), "work.done": _("finished a case"), "work.give": _("gave a case away"),
    "work.open": _("opened a case"), "work.release": _("gave a case back"), "work.snooze": _("let a case wait"),
}  # fmt: skip
THINGS: Mapping[str, str] = {
    "approval": _("approval"), "book": _("the book"), "call_list": _("call list"), "document": _("document"),
    "entity": _("entity"), "experiment": _("experiment"), "inbound": _("answers"), "letter_batch": _("batch of letters"),
    "loan": _("loan"), "message": _("message"), "message_template": _("wording"), "party": _("the person"),
    "user": _("account"), "voucher": _("voucher"), "work": _("case"), "log": _("action log"), "facility": _("credit line"),
    "receipt": _("receipt"), "token": _("token"), "tape": _("tape"), "product": _("product"),
    "branch": _("branch"), "staff": _("post"), "team": _("team"),
}  # fmt: skip


def act_words(act: str) -> str:
    """An act in the page's language; an entry in a loan's journal is left to whoever knows the kinds of event."""
    return gettext(ACTS[act]) if act in ACTS else act


def thing_words(kind: str) -> str:
    """What an act was done to, in the page's language."""
    return gettext(THINGS[kind]) if kind in THINGS else kind
