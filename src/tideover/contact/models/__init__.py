"""Contact: what the gate decided, how people want to be reached, and which third persons must never be asked again."""

from tideover.contact.models.gate import ContactPreference, ThirdRefusal, VerdictRow

__all__ = ["ContactPreference", "ThirdRefusal", "VerdictRow"]
