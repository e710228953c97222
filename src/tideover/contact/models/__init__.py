"""What is said to people and what became of it: message templates, messages and their life, letters, calls."""

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
)

__all__ = [
    "AddressFault", "CallList", "CallListLine", "CallRecord", "InboundMessage", "LetterBatch", "Message", "MessageEvent",
    "MessageTemplate", "ParkedReport",
]  # fmt: skip
