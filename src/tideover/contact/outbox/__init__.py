"""The outbox: a message is written in the transaction of the decision, and sent once by workers that may die at any instant."""

from tideover.contact.outbox.inbound import inbound_apply
from tideover.contact.outbox.queue import message_cancel, message_queue, message_resend
from tideover.contact.outbox.receipts import report_apply
from tideover.contact.outbox.work import Counts, outbox_work

__all__ = ["Counts", "inbound_apply", "message_cancel", "message_queue", "message_resend", "outbox_work", "report_apply"]
