"""What of this folder needs a second person: putting the wording of a message in force."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.contact.message_templates import (
    TEMPLATE_FIELDS,
    template_get,
    template_problems,
    template_publish,
    versions_of,
)
from tideover.contact.models import MessageTemplate
from tideover.contact.models.messages import TemplateState
from tideover.contact.rules.wording import LANGUAGES, ZH
from tideover.core.action_log import log
from tideover.core.approvals import ApprovalKind, Shown, approval_ask, approval_withdraw
from tideover.core.authority import Lines, one_of
from tideover.core.business_time import business_date
from tideover.core.models import Approval, Role, User
from tideover.core.problems import Refused, refuse
from tideover.lending.words import word

PUBLISH = "template.publish"
DRAFTS = frozenset({Role.COMPLIANCE, Role.LEGAL, Role.TEAM_LEAD, Role.BRANCH_HEAD, Role.COMPLAINTS})


def template_send(t: MessageTemplate, *, valid_from: date, reason: str, actor: User) -> Approval:
    """Send a draft for review, to be in force from a day. Raises Refused with everything that is wrong with its texts."""
    if valid_from < business_date():
        raise refuse("bad_date", "a wording cannot be in force from a day that is past", "valid_from")
    with transaction.atomic():
        row = MessageTemplate.objects.select_for_update().get(pk=t.pk)
        if row.state != TemplateState.DRAFT:
            raise refuse("not_a_draft", f"{row} is {row.state}", "code")
        if problems := template_problems(row, valid_from):
            raise Refused(*problems)
        flagged = row.is_demand or row.is_adverse_notice
        payload = {"code": row.code, "version": row.version, "from": valid_from.isoformat(), "flagged": flagged}
        asked = approval_ask(PUBLISH, subject=("message_template", str(row)), payload=payload, reason=reason, actor=actor)
        row.state, row.approval = TemplateState.REVIEW, asked.reference
        row.save(update_fields=["state", "approval"])
    return asked


def template_recall(t: MessageTemplate, *, actor: User) -> MessageTemplate:
    """A version whose review ended without a grant becomes a draft again; who asked may end the review that way too."""
    with transaction.atomic():
        row = MessageTemplate.objects.select_for_update().get(pk=t.pk)
        open_now = Approval.objects.filter(reference=row.approval, state="open").first()
        if row.state != TemplateState.REVIEW:
            raise refuse("not_in_review", f"{row} is {row.state}", "code")
        if open_now is not None:
            approval_withdraw(open_now, actor=actor)
        row.state, row.approval = TemplateState.DRAFT, ""
        row.save(update_fields=["state", "approval"])
        log(actor.username, "template.recall", "message_template", str(row))
    return row


def _decides(payload: dict[str, Any]) -> Lines:
    """A demand or a notice of law is legal's to grant; other wordings compliance's or legal's."""
    return one_of(Role.LEGAL) if payload.get("flagged") else one_of(Role.COMPLIANCE, Role.LEGAL)


def _of(approval: Approval) -> MessageTemplate:
    return template_get(approval.payload["code"], approval.payload["version"])


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    valid_from = max(date.fromisoformat(approval.payload["from"]), business_date())
    made = template_publish(_of(approval), valid_from=valid_from, approval=approval.reference, actor=actor.username)
    return {"code": made.code, "version": made.version, "from": valid_from.isoformat()}


def _stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """Changes when any of the texts does, so that nobody grants what was changed after it was read."""
    t = template_get(payload["code"], payload["version"])
    said = json.dumps({f: getattr(t, f) for f in TEMPLATE_FIELDS}, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


FLAGS = {
    "is_demand": gettext_noop("Is a demand"),
    "is_adverse_notice": gettext_noop("Is a notice before a negative record"),
}


def _show(approval: Approval) -> Iterable[Shown]:
    """What legal says of it, and every text that changes, as it is now and as it would be."""
    t = _of(approval)
    published = (v for v in versions_of(t.code) if v.state == TemplateState.PUBLISHED and v.version < t.version)
    now = next(published, None)
    for flag, says in FLAGS.items():
        was, then = bool(now and getattr(now, flag)), bool(getattr(t, flag))
        if was or then:
            yield Shown(_(says), "" if now is None else _yes(was), _yes(then))
    yield Shown(_("In force from"), "" if now is None else str(now.valid_from), approval.payload["from"])
    for language in LANGUAGES:
        texts, before = t.texts.get(language, {}), now.texts.get(language, {}) if now else {}
        for variant in sorted({*texts, *before}):
            was, then = (_words(x.get(variant, {})) for x in (before, texts))
            if was != then:
                yield Shown(f"{'中文' if language == ZH else 'English'} · {word(variant)}", was, then)


def _yes(is_so: bool) -> str:
    return _("yes") if is_so else _("no")


def _words(text: dict[str, str]) -> str:
    return "\n".join(x for x in (text.get("subject", ""), text.get("body", "")) if x)


def _address(approval: Approval) -> str:
    return f"{reverse('message-template', args=[approval.payload['code']])}?version={approval.payload['version']}"


KIND = ApprovalKind(
    code=PUBLISH, label="Put the wording of a message in force", asks=DRAFTS, decides=_decides, apply=_apply, show=_show,
    stamp=_stamp, address=_address,
)  # fmt: skip
