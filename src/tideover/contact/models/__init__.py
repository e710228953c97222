"""What is said to people and what became of it; what the gate decided; how people want to be reached."""

from tideover.contact.models.gate import ContactPreference, ThirdRefusal, VerdictRow
from tideover.contact.models.messages import (
    AddressFault,
    CallList,
    CallListLine,
    CallRecord,
    InboundMessage,
    LetterBatch,
    Message,
    MessageEvent,
    MessageTemplate,
    ParkedReport,
    Subscription,
)

__all__ = [
    "AddressFault", "CallList", "CallListLine", "CallRecord", "ContactPreference", "InboundMessage", "LetterBatch", "Message",
    "MessageEvent", "MessageTemplate", "ParkedReport", "Subscription", "ThirdRefusal", "VerdictRow",
]  # fmt: skip
