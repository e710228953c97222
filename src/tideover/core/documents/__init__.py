"""Documents that are handed out: PDF/A from typst templates, numbered, hashed, checkable by anybody who holds one."""

from tideover.core.documents.issue import document_bytes, document_issue
from tideover.core.documents.kinds import DocumentKind, missing, register
from tideover.core.documents.sign import document_handed
from tideover.core.documents.values import Amount, Rate
from tideover.core.documents.verify import Verification, document_verify

__all__ = [
    "Amount",
    "DocumentKind",
    "Rate",
    "Verification",
    "document_bytes",
    "document_handed",
    "document_issue",
    "document_verify",
    "missing",
    "register",
]
