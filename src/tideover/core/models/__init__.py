"""The rows of the kit: people, the trail of what they did, approvals, work."""

from tideover.core.models.approval import Approval, ApprovalState, ApprovalStep, AuthorityVersion
from tideover.core.models.documents import Document, DocumentCount, Signature, SignatureState
from tideover.core.models.experiment import Experiment, Exposure
from tideover.core.models.keys import LastingKey
from tideover.core.models.people import ApiToken, Role, SignInFailure, User
from tideover.core.models.trail import ActionLog, StoredAnswer
from tideover.core.models.work import WorkItem

__all__ = [
    "ActionLog",
    "ApiToken",
    "Approval",
    "ApprovalState",
    "ApprovalStep",
    "AuthorityVersion",
    "Document",
    "DocumentCount",
    "Experiment",
    "Exposure",
    "LastingKey",
    "Role",
    "SignInFailure",
    "Signature",
    "SignatureState",
    "StoredAnswer",
    "User",
    "WorkItem",
]
