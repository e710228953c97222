"""The approval `authority.publish`: a new table of who may decide what, asked for by risk, granted by compliance."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tideover.core.approvals import ApprovalKind, Shown, approval_ask, kinds, register
from tideover.core.authority import Lines, one_of, table_read, text_in_force
from tideover.core.business_time import business_date, now
from tideover.core.models import Approval, AuthorityVersion, Role, User
from tideover.core.problems import refuse

KIND = "authority.publish"


def authority_ask(*, text: str, valid_from: date, reason: str, actor: User) -> Approval:
    """Ask for a new table from a day on. Raises Refused with every mistake, each naming its field."""
    table = table_read(text, [k.code for k in kinds()])
    if valid_from < business_date():
        raise refuse("in_the_past", "a table holds from today on or later: what was decided stays decided", "valid_from")
    if KIND in table and not all(line.steps for line in table[KIND]):
        raise refuse("no_second_person", f"{KIND} itself always needs a second person", "text")
    payload = {"text": text, "valid_from": valid_from.isoformat()}
    return approval_ask(KIND, subject=("authority", valid_from.isoformat()), payload=payload, reason=reason, actor=actor)


def line_words(lines: Lines) -> str:
    """The lines of a kind as one sentence in the page's language."""
    out = []
    for line in lines:
        top = _("any amount") if line.up_to_minor is None else _("up to ¥%(sum)s") % {"sum": f"{line.up_to_minor / 100:,.2f}"}
        place = " ".join(p for p in (line.entity, line.branch) if p)
        steps = [" / ".join(str(r.label) for r in sorted(roles)) for roles in line.steps]
        who = _(", then ").join(steps) if steps else _("nobody else")
        out.append(f"{top}{f' ({place})' if place else ''}: {who}")
    return "; ".join(out)


def _show(approval: Approval) -> list[Shown]:
    """Every kind whose lines would change, before and after."""
    before, after = table_read(text_in_force(approval.asked_at.date())), table_read(approval.payload["text"])
    names = [n for n in sorted({*before, *after}) if before.get(n) != after.get(n)]
    silent = _("as the code of the kind says")
    lines = [
        Shown(n, line_words(before[n]) if n in before else silent, line_words(after[n]) if n in after else silent) for n in names
    ]
    return [Shown(_("In force from"), "", approval.payload["valid_from"]), *lines]


def _apply(approval: Approval, actor: User) -> dict[str, Any]:
    version = AuthorityVersion.objects.create(
        text=approval.payload["text"], valid_from=date.fromisoformat(approval.payload["valid_from"]), recorded_at=now(),
        approval=approval,
    )  # fmt: skip
    return {"version": version.pk}


def _stamp(subject: tuple[str, str], payload: dict[str, Any]) -> str:
    """The table that it would replace."""
    return hashlib.sha256(text_in_force(date.fromisoformat(payload["valid_from"])).encode()).hexdigest()[:32]


def kind_register() -> None:
    """Make the kind known."""
    register(
        ApprovalKind(
            code=KIND,
            label=gettext_noop("Who decides what"),
            asks=frozenset({Role.RISK}),
            decides=one_of(Role.COMPLIANCE),
            apply=_apply,
            show=_show,
            stamp=_stamp,
            address=lambda a: reverse("authority"),
        )
    )
