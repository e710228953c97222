"""The acts and things of the action log in words. An act that is not here reads as its code."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

ACTS: Mapping[str, str] = {
    "address.verify": _("verified an address"), "answers.read": _("read answers from people"), "approval": _("approval"),
    "approval.ask": _("asked for an approval"), "approval.expire": _("closed a request whose time was over"),
    "approval.grant": _("granted an approval"), "approval.read": _("read an approval"),
    "approval.refuse": _("refused an approval"), "approval.withdraw": _("withdrew a request"),
    "backup.make": _("made a backup"), "backup.restore": _("restored a backup"),
    "bank_account.open": _("opened a bank account"), "bank_hook.take": _("took in a call of a bank"),
    "bank_line.list": _("read lines of bank statements"), "bank_line.read": _("read a line of a bank statement"),
    "bank_line.settle": _("decided what a line of a bank statement is"), "bank_secret.end": _("ended a bank's secret"),
    "bank_secret.new": _("made a bank's secret"), "book": _("the book"), "books.chart": _("changed the chart of accounts"),
    "books.close_period": _("closed a period of the books"), "books.entry.read": _("read a booking entry"),
    "books.export": _("exported the books"), "branch": _("branch"), "branch.create": _("entered a branch"),
    "branch.end": _("ended a branch"), "break.accept": _("accepted a difference with the core"),
    "break.mend": _("mended a difference with the core"), "call.begin": _("began a call"), "call.end": _("ended a call"),
    "call_list": _("call list"), "calls.import": _("imported call records"), "calls.list": _("made a call list"),
    "calls.read": _("read a call list"), "collateral.add": _("added collateral"), "complaint.add": _("entered a complaint"),
    "complaint.close": _("closed a complaint"), "complaint.list": _("read complaints"),
    "consent.add": _("entered a consent"), "consent.close": _("ended a consent"),
    "contact.export": _("exported the contact log"), "contact.log": _("read the contact log"),
    "contact.outcome": _("entered how a contact ended"), "contact.preferences": _("set contact preferences"),
    "contact.proof": _("read a proof of contacts"), "contact.proof.file": _("exported a proof of contacts"),
    "core.file.compare": _("compared a core's file"), "core.file.refuse": _("refused a core's file"),
    "core.file.take": _("took in a core's file"), "core.policy.publish": _("published a policy beside the core"),
    "debit.list": _("read debits"), "debit.plan": _("planned debits"), "debit.read": _("read a debit"),
    "demo.build": _("built the demo"), "dispute.add": _("entered a dispute"), "dispute.close": _("closed a dispute"),
    "dispute.list": _("read disputes"), "document": _("document"), "document.cancel": _("took a document back"),
    "document.download": _("downloaded a document"), "document.expire": _("wiped documents whose time was over"),
    "document.issue": _("issued a document"), "document.scan": _("looked at a signed paper"),
    "document.sign": _("asked for the lender's signature"), "document.sign.ask": _("asked a person to sign"),
    "document.sign.code": _("had a code sent for signing"), "document.sign.decline": _("did not sign"),
    "document.sign.expired": _("closed a signature as too late"), "document.sign.ink": _("brought in a signed paper"),
    "document.sign.pending": _("gave a signature back to its signer"),
    "document.sign.refused": _("closed a signature as refused"), "document.sign.signed": _("signed a document"),
    "document.sign.unknown": _("sent a signature without an answer"), "entity": _("entity"),
    "entity.create": _("entered an entity"), "entity.end": _("ended an entity"), "experiment": _("experiment"),
    "experiment.start": _("started an experiment"), "experiment.stop": _("stopped an experiment"),
    "facility": _("credit line"), "facility.freeze": _("froze a credit line"), "facility.limit": _("changed a credit line"),
    "facility.list": _("read credit lines"), "facility.open": _("opened a credit line"),
    "facility.read": _("read a credit line"), "helprequest.add": _("entered a help request"),
    "helprequest.close": _("closed a help request"), "helprequest.list": _("read help requests"),
    "hold.add": _("placed a hold"), "hold.close": _("lifted a hold"), "hold.extend": _("extended a hold"),
    "hold.keep": _("kept a hold"), "hold.lift": _("lifted a hold"), "hold.list": _("read holds"),
    "import.complaints": _("imported complaints"), "import.contacts": _("imported contacts"),
    "import.core_balances": _("imported a core's balances"), "import.core_movements": _("imported a core's movements"),
    "import.events": _("imported histories"), "import.ledger": _("imported a ledger"),
    "import.payments": _("imported payments"), "import.people": _("imported people"),
    "import.promises": _("imported promises"), "import.tape": _("imported loans"), "inbound": _("answers"),
    "inbound.answered": _("dealt with an answer"), "instruction.confirm": _("took down a core's confirmation"),
    "instruction.reject": _("took down a core's rejection"), "instruction.request": _("asked the core for a change"),
    "keys.rotate": _("changed the keys"), "letter.delivered": _("entered a letter's delivery"),
    "letter.failed": _("entered a letter that came back"), "letter_batch": _("batch of letters"),
    "letters.addresses": _("downloaded addresses of letters"), "letters.batch": _("made a batch of letters"),
    "letters.files": _("downloaded letters"), "letters.post": _("posted a batch of letters"),
    "letters.read": _("read a batch of letters"), "letters.take_out": _("took a letter out of a batch"), "loan": _("loan"),
    "loan.demands": _("read the demands on a loan"), "loan.open": _("opened a loan"), "loan.read": _("read a loan"),
    "loan_party.add": _("added a party to a loan"), "log": _("action log"), "log.export": _("exported the action log"),
    "debit.request": _("had a loan paid off by debit"), "payoff.not_taken": _("could not book a pay-off"),
    "payoff.quote": _("quoted what pays a loan off"), "payoff.read": _("read a pay-off quote"),
    "payoff.withdraw": _("withdrew a pay-off quote"), "receipt.keep": _("kept money for the next payment"),
    "receipt.send_back": _("asked for money back"),
    "mandate.list": _("read mandates"), "message": _("message"), "message.cancel": _("took a message back"),
    "message.list": _("read the messages"), "message.queue": _("queued a message"), "message.read": _("read a message"),
    "message.resend": _("sent a message anew"), "message_template": _("wording"), "notice.add": _("entered a notice"),
    "notice.close": _("closed a notice"), "notice.list": _("read notices"), "party": _("the person"),
    "party.reach": _("corrected an address"), "party.register": _("registered a person"),
    "person.read": _("read a person's file"), "person.reveal": _("showed personal data in full"),
    "person.search": _("searched for a person"), "point.end": _("ended an address of a channel"),
    "point.set": _("entered an address of a channel"), "product": _("product"), "promise.add": _("entered a promise"),
    "promise.close": _("closed a promise"), "promise.list": _("read promises"), "push.off": _("turned push notices off"),
    "push.on": _("turned push notices on"), "receipt": _("receipt"),
    "receipt.alert_close": _("closed an alert about a payer"), "receipt.list": _("read receipts"),
    "receipt.move": _("moved the money of a receipt"), "receipt.place": _("said whose money a receipt is"),
    "receipt.read": _("read a receipt"), "receipt.record": _("booked a receipt"),
    "receipt.reverse": _("reversed a receipt"), "receipt.third_party": _("reported money from a third party"),
    "refund.approve": _("approved money back to its payer"), "reset_notice.make": _("prepared notices of a rate reset"),
    "sign_in": _("signed in"), "sign_in.fail": _("failed to sign in"), "staff": _("post"),
    "staff.create": _("entered a post"), "staff.end": _("ended a post"), "statement.import": _("imported a bank statement"),
    "statement.read": _("read a bank statement"), "statement.refuse": _("refused a bank statement"),
    "statement.rejects": _("downloaded the rejected lines of a statement"),
    "statement.settle": _("decided a file that was in doubt"), "suspense.list": _("read the suspense list"),
    "suspense.read": _("read money in suspense"), "tape": _("tape"), "tape.prune": _("pruned old tapes"),
    "tape.restore": _("made lost tapes again"), "team": _("team"), "team.create": _("entered a team"),
    "team.end": _("ended a team"), "template.draft": _("drafted a wording"),
    "template.publish": _("put a wording in force"), "template.recall": _("called a wording back"),
    "template.retire": _("retired a wording"), "template.seed": _("took in the wordings of the package"),
    "token": _("token"), "token.create": _("made an access token"), "token.revoke": _("revoked an access token"),
    "user": _("account"), "verdict.read": _("read a decision of the gate"), "voucher": _("voucher"),
    "watch_list.load": _("loaded a watch list"), "work": _("case"), "work.claim": _("took a case"),
    "work.done": _("finished a case"), "work.give": _("gave a case away"), "work.open": _("opened a case"),
    "work.release": _("gave a case back"), "work.snooze": _("let a case wait"),
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
