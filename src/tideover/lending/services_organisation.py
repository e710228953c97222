"""Entities, branches, teams and posts: opened from a day, ended on a day, never deleted."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from tideover.core.action_log import log
from tideover.core.models import Role, User
from tideover.core.packs.load import pack
from tideover.core.packs.rules.price import lender_types
from tideover.core.problems import Problem, Refused, refuse
from tideover.lending.models import Branch, LegalEntity, Staff, Team


def _create(model: Any, what: str, key: str, actor: str, values: dict[str, Any]) -> Any:
    try:
        with transaction.atomic():
            row = model.objects.create(**values)
            log(actor, f"{what}.create", what, values[key])
    except IntegrityError as error:
        raise refuse("code_taken", f"{what} {values[key]} exists already", key) from error
    return row


def _holds(outer: Any, valid_from: date, field: str) -> None:
    """Refuse what begins before, or after the end of, what it belongs to."""
    if not outer.holds_on(valid_from):
        until = outer.valid_to or "further notice"
        raise refuse("outside_validity", f"the {field} holds from {outer.valid_from} until {until}", "valid_from")


def entity_create(
    *, code: str, name_zh: str, name_en: str, lender_type: str, valid_from: date, actor: str, currency: str = "CNY"
) -> LegalEntity:
    """Open a legal entity of the default jurisdiction. Raises Refused: code taken, or a kind of lender without price rules."""
    known = lender_types(pack(LegalEntity._meta.get_field("jurisdiction").default))
    if lender_type not in known:
        raise refuse("unknown_lender_type", f"lender type {lender_type} is not one of {', '.join(known)}", "lender_type")
    if not (len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise refuse("bad_currency", f"currency {currency} is not a code of three capital letters", "currency")
    values = {"code": code, "name_zh": name_zh, "name_en": name_en, "lender_type": lender_type, "valid_from": valid_from}
    values["currency"] = currency
    return _create(LegalEntity, "entity", "code", actor, values)


def branch_create(
    *, entity: LegalEntity, code: str, name_zh: str, name_en: str, region: str, valid_from: date, actor: str
) -> Branch:
    """Open a branch of an entity. Raises Refused: code taken, the entity does not hold on the day."""
    _holds(entity, valid_from, "entity")
    values = {"entity": entity, "code": code, "name_zh": name_zh, "name_en": name_en, "region": region, "valid_from": valid_from}
    return _create(Branch, "branch", "code", actor, values)


def team_create(*, branch: Branch, code: str, name_zh: str, name_en: str, valid_from: date, actor: str) -> Team:
    """Open a team of a branch. Raises Refused: code taken, the branch does not hold on the day."""
    _holds(branch, valid_from, "branch")
    values = {"branch": branch, "code": code, "name_zh": name_zh, "name_en": name_en, "valid_from": valid_from}
    return _create(Team, "team", "code", actor, values)


def staff_create(
    *,
    username: str,
    role: str,
    number: str,
    name_zh: str,
    name_en: str,
    entity: LegalEntity | None,
    branch: Branch | None,
    team: Team | None,
    valid_from: date,
    actor: str,
) -> Staff:
    """Give somebody a post; a sign-in without password is made when there is none (a password or OIDC is set elsewhere).

    Raises Refused: one's own post, a role that is not for staff or not the account's, places that do not fit one another.
    """
    problems = []
    if username == actor:
        problems.append(Problem("own_post", "nobody gives a post to themselves", "username"))
    if role not in Role.values or role == Role.BORROWER:
        problems.append(Problem("unknown_role", f"role {role} is not a role of staff", "role"))
    if branch is not None and entity is not None and branch.entity_id != entity.pk:
        problems.append(Problem("other_entity", f"branch {branch.code} is not of {entity.code}", "branch"))
    if team is not None and (branch is None or team.branch_id != branch.pk):
        problems.append(Problem("other_branch", f"team {team.code} is not of that branch", "team"))
    if problems:
        raise Refused(*problems)
    if branch is not None:
        _holds(branch, valid_from, "branch")
    with transaction.atomic():
        user, made = User.objects.get_or_create(username=username, defaults={"role": role})
        if made:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        elif user.role != role:
            raise refuse("other_role", f"{username} is a {user.role}; end that post and change the role first", "role")
        values = {
            "user": user, "number": number, "name_zh": name_zh, "name_en": name_en, "team": team, "branch": branch,
            "entity": entity or (branch.entity if branch else None), "valid_from": valid_from,
        }  # fmt: skip
        return _create(Staff, "staff", "number", actor, values)


INSIDE: dict[type, tuple[tuple[Any, str], ...]] = {
    LegalEntity: ((Branch, "entity"), (Staff, "entity")),
    Branch: ((Team, "branch"), (Staff, "branch")),
    Team: ((Staff, "team"),),
    Staff: (),
}


def organisation_end(row: Any, *, valid_to: date, actor: str) -> Any:
    """End a row: it holds to the day before `valid_to`.

    Raises Refused: ended already, not after its beginning, or something inside it lasts longer.
    """
    what = {LegalEntity: "entity", Branch: "branch", Team: "team", Staff: "staff"}[type(row)]
    with transaction.atomic():
        locked = type(row).objects.select_for_update(no_key=True).get(pk=row.pk)
        if locked.valid_to is not None:
            raise refuse("ended_already", f"it ended on {locked.valid_to}", "valid_to")
        if valid_to <= locked.valid_from:
            raise refuse("bad_dates", f"it began on {locked.valid_from} and must end later", "valid_to")
        for model, field in INSIDE[type(row)]:
            longer = model.objects.filter(Q(valid_to=None) | Q(valid_to__gt=valid_to), **{field: locked}).count()
            if longer:
                raise refuse("not_empty", f"{longer} inside it last longer ({model._meta.verbose_name})", "valid_to")
        locked.valid_to = valid_to
        locked.save(update_fields=["valid_to"])
        log(actor, f"{what}.end", what, getattr(locked, "code", None) or locked.number, {"valid_to": valid_to.isoformat()})
    return locked
