"""Message templates: versions of a wording in both languages, who may change them, and a message's text made from one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_noop

from tideover.contact import addresses
from tideover.contact.models import MessageTemplate
from tideover.contact.models.messages import TemplateState
from tideover.contact.rules.content import FLAGS, ContentRule, Finding, Text, content_check, content_read
from tideover.contact.rules.model import Channel, Purpose, Recipient
from tideover.contact.rules.validation import validation_end
from tideover.contact.rules.wording import (
    LANGUAGES,
    TYPES,
    ZH,
    Setting,
    formatted,
    place_faults,
    places,
    render,
)
from tideover.contact.zones import zone
from tideover.core.action_log import log
from tideover.core.business_time import now
from tideover.core.packs.load import NoRule, calendar, pack, pack_names, rule
from tideover.core.problems import NotFound, Problem, Refused, refuse
from tideover.lending.models import ContactRecord, Contract, Party, Staff

CATALOGUE = Path(__file__).parent / "catalogue"
VARIANTS = ("app", "sms", "mail", "letter", "call")
VARIANT_OF: Mapping[Channel, tuple[str, ...]] = {
    Channel.APP: ("app",), Channel.PUSH: ("sms",), Channel.SMS: ("sms",), Channel.WECOM: ("sms",),
    Channel.MINI_PROGRAM: ("sms",),
    Channel.EMAIL: ("mail", "app"), Channel.LETTER: ("letter",), Channel.CALL: ("call",), Channel.AI_CALL: ("call",),
    Channel.VISIT: ("call",),
}  # fmt: skip
"""Which text of a template a channel takes: the first of these that there is."""
CHANNELS_OF: Mapping[str, tuple[Channel, ...]] = {
    v: tuple(c for c, names in VARIANT_OF.items() if names[0] == v) for v in VARIANTS
}
SIGNED = frozenset({Channel.SMS})
TEMPLATE_FIELDS = (
    "name_zh", "name_en", "purpose", "recipient", "variables", "texts", "gateway_codes", "document_kind", "discloses",
    "is_demand", "is_adverse_notice", "hours",
)  # fmt: skip
LEGAL_FLAGS = ("is_demand", "is_adverse_notice")


@dataclass(frozen=True, slots=True)
class Made:
    """A message's text; or why there is none: `faults`, one sentence each. params: values as written, in the text's order."""

    subject: str
    body: str
    params: dict[str, str]
    names_claim: bool
    faults: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks in a message: names by which it introduces itself (zh, en), whose law it is under, its currency."""

    names: tuple[str, ...]
    jurisdiction: str
    currency: str

    @property
    def sign(self) -> str:
        """How sums of the currency begin."""
        return SIGNS.get(self.currency, f"{self.currency} ")


HOME = "cn"
SIGNS = {"CNY": "¥", "USD": "$"}
EXAMPLES = {"us": "USD"}
"""Currency of the examples of a pack's wordings; ¥ for any other."""


def pack_of(code: str) -> str:
    """Whose law a wording was written for: the pack named before its code (us.late.one_payment), else the house's own."""
    first = code.partition(".")[0]
    return first if first in pack_names() else HOME


def speaker_of(party: Party, contracts: Sequence[Contract]) -> Speaker:
    """Who speaks to a person about these loans."""
    lender = addresses.lender_of(party, contracts)
    currency = contracts[0].currency if contracts else lender.currency
    return Speaker((lender.name_zh, lender.name_en), lender.jurisdiction, currency)


def template_in_force(code: str, on: date, jurisdiction: str = HOME) -> MessageTemplate:
    """The published version of a template on a day: that of the jurisdiction where there is one, else the house's own.

    Raises Refused naming the code when there is none.
    """
    for wanted in (f"{jurisdiction}.{code}", code):
        found = [t for t in MessageTemplate.objects.filter(code=wanted, state=TemplateState.PUBLISHED) if is_in_force(t, on)]
        if found:
            return max(found, key=lambda t: (t.valid_from or on, t.version))
    raise refuse("no_such_template", f"no template {code} is in force on {on}", "template")


def is_in_force(t: MessageTemplate, on: date) -> bool:
    """Whether a version is published and its days include `on`."""
    starts, ends = t.valid_from, t.valid_to
    return t.state == TemplateState.PUBLISHED and starts is not None and starts <= on and (ends is None or on < ends)


@cache
def content_rules(jurisdiction: str, on: date) -> tuple[ContentRule, ...]:
    """The content rules of a pack on a day."""
    return content_read(pack(jurisdiction), on)


def setting_of(language: str, today: date, sign: str = "¥") -> Setting:
    """How values are written in a language on a business date."""
    return Setting(language, today, zone(settings.BUSINESS_TIME_ZONE), sign)


def types_of(t: MessageTemplate) -> dict[str, str]:
    """Type of each variable, the standard ones among them."""
    return {**addresses.STANDARD_TYPES, **{name: str(v["type"]) for name, v in t.variables.items()}}


def variant_for(t: MessageTemplate, channel: Channel, language: str) -> Mapping[str, str] | None:
    """The text of a template for a channel in a language; None when it has none."""
    texts = t.texts.get(language, {})
    return next((texts[name] for name in VARIANT_OF[channel] if name in texts), None)


def message_make(
    t: MessageTemplate, channel: Channel, language: str, party: Party, contracts: Sequence[Contract],
    values: Mapping[str, object], *, officer: Staff | None, today: date,
) -> Made:  # fmt: skip
    """The text of a message to a person: rendered, and looked through by the rules of content. It never raises for a text."""
    wording = variant_for(t, channel, language)
    if wording is None:
        return Made("", "", {}, False, (f"{t.code} has no text for {channel.name.lower()} in {language}",))
    speaker = speaker_of(party, contracts)
    every = {**addresses.standard_values(party, contracts, language, officer), **values}
    if "validation" in flags_of(t):
        every = {**_dispute_by(speaker.jurisdiction, today), **every}
    first = {"initial"} if _is_initial(t, party, contracts, content_rules(speaker.jurisdiction, today)) else set()
    return text_make(t, channel, language, every, speaker, wording, today, first)


def _dispute_by(jurisdiction: str, sent_on: date) -> dict[str, object]:
    """The last day to dispute after a validation notice of today, where the pack has a validation period."""
    try:
        v = rule(jurisdiction, "contact.validation", sent_on).values
    except NoRule:
        return {}
    days = {name: int(v[name]) for name in ("received_after", "period")}
    return {"dispute_by": validation_end(sent_on, calendar(str(v["calendar"])), **days)}


def _is_initial(t: MessageTemplate, party: Party, contracts: Sequence[Contract], rules: tuple[ContentRule, ...]) -> bool:
    """Whether nothing that we know has reached the person about one of these loans yet, where a rule asks for it."""
    if Recipient(t.recipient) != Recipient.DEBTOR or not any(r.flag == "initial" for r in rules):
        return False
    reached = ContactRecord.objects.filter(
        party=party, direction="out", purpose__in=("collection", "statutory"), outcome__in=("conversation", "delivered")
    )
    return not all(reached.filter(about__contains=f"|{c.pk}|").exists() for c in contracts) or not reached.exists()


def text_make(
    t: MessageTemplate, channel: Channel, language: str, values: Mapping[str, object], speaker: Speaker,
    wording: Mapping[str, str], today: date, flags: Collection[str] = (),
) -> Made:  # fmt: skip
    """One variant with these values: rendered and checked. flags: of this message, besides those of the template."""
    lender = speaker.names
    types, told = types_of(t), setting_of(language, today, speaker.sign)
    subject = render(wording.get("subject", ""), types, values, told)
    body = render(wording["body"], types, values, told)
    faults = tuple(dict.fromkeys(f.message for f in (*subject.faults, *body.faults)))
    if faults:
        return Made("", "", {}, False, faults)
    shown = f"【{lender[0] if language == ZH else lender[-1]}】{body.text}" if channel in SIGNED and lender else body.text
    said = Text(
        channel, Purpose(t.purpose), language, shown, subject.text, Recipient(t.recipient), lender,
        frozenset((*flags_of(t), *flags)),
    )  # fmt: skip
    findings = content_check(content_rules(speaker.jurisdiction, today), said)
    named = places(wording["body"])
    params = {n: formatted(types[n], values[n], told) for n in named}
    faults = tuple(f"content: {f}" for f in findings)
    return Made(subject.text, body.text, params, names_claim(t, wording), faults, findings)


def flags_of(t: MessageTemplate) -> tuple[str, ...]:
    """What a template is, in the words of the content rules: legal's flags, and its kind of document where rules speak of it."""
    legal = (("demand", t.is_demand), ("adverse_notice", t.is_adverse_notice), (t.document_kind, t.document_kind in FLAGS))
    return tuple(flag for flag, on in legal if on)


def names_claim(t: MessageTemplate, wording: Mapping[str, str]) -> bool:
    """Whether a text names the creditor, the loan and a sum: what a demand must do to restart limitation."""
    named, types = set(places(wording["body"])), types_of(t)
    return {"lender", "loan"} <= named and any(types.get(n) == "money" for n in named)


def example_values(t: MessageTemplate, language: str) -> dict[str, object]:
    """An example for each variable, as the template gives it."""
    lender, name, officer = ("示例银行", "李明", "陈明") if language == ZH else ("Example Bank", "Li Ming", "Chen Ming")
    out: dict[str, object] = {
        "lender": lender, "hotline": settings.HOTLINE, "loan": "T-10000", "name": name, "officer": officer,
        "officer_number": "1032",
    }  # fmt: skip
    return out | {n: value_read(str(v["type"]), v.get("example")) for n, v in t.variables.items()}


def value_read(kind: str, value: Any) -> object:
    """A value as JSON or YAML gives it, in the type's own form: dates and instants from their ISO text."""

    if isinstance(value, str) and kind == "date":
        return date.fromisoformat(value)
    if isinstance(value, str) and kind == "instant":
        return datetime.fromisoformat(value)
    return value


def template_problems(t: MessageTemplate, on: date) -> list[Problem]:
    """Everything that keeps a version from being published, each with the field it is about (texts.LANGUAGE.VARIANT).

    A wording of another pack is held to that pack's rules.
    """
    out = _declared_problems(t)
    kinds = {variant for texts in t.texts.values() for variant in texts}
    if not kinds:
        out.append(Problem("no_text", "there is no text yet", "texts"))
    types = types_of(t)
    for language in LANGUAGES:
        texts = t.texts.get(language, {})
        for variant in sorted(kinds):
            at = f"texts.{language}.{variant}"
            if not texts.get(variant, {}).get("body", "").strip():
                out.append(Problem("no_text", f"the {variant} text is missing in {language}: both languages are needed", at))
                continue
            faults = [f for part in ("subject", "body") for f in place_faults(texts[variant].get(part, ""), types)]
            out += [Problem(f.code, f.message, at) for f in dict.fromkeys(faults)]
            if not faults and not _declared_problems(t):
                out += _content_problems(t, language, variant, on)
    if t.is_demand:
        out += _demand_problems(t)
    return out


def _declared_problems(t: MessageTemplate) -> list[Problem]:
    out = []
    for name, v in t.variables.items():
        if not isinstance(v, Mapping) or v.get("type") not in TYPES:
            out.append(Problem("bad_type", f"{name} needs a type: {', '.join(TYPES)}", f"variables.{name}"))
            continue
        try:
            formatted(v["type"], value_read(v["type"], v.get("example")), setting_of(ZH, date(2026, 1, 1)))
        except ValueError as error:
            out.append(Problem("bad_example", f"the example of {name} {error}", f"variables.{name}"))
    return out


def _content_problems(t: MessageTemplate, language: str, variant: str, on: date) -> list[Problem]:
    """What the rules of content say of one variant with its examples, on every channel that takes it."""
    values = example_values(t, language)
    law = pack_of(t.code)
    speaker = Speaker(("示例银行", "Example Bank"), law, EXAMPLES.get(law, "CNY"))
    found: dict[str, Problem] = {}
    for channel in CHANNELS_OF[variant]:
        made = text_make(t, channel, language, values, speaker, t.texts[language][variant], on)
        for f in made.findings:
            found[str(f)] = Problem("content", f"{channel.name.lower()}: {f}", f"texts.{language}.{variant}")
        for words in () if made.findings else made.faults:
            found[words] = Problem("bad_value", words, f"texts.{language}.{variant}")
    return list(found.values())


def _demand_problems(t: MessageTemplate) -> list[Problem]:
    formal = [(lang, v) for lang in LANGUAGES for v in ("letter", "mail", "app") if v in t.texts.get(lang, {})]
    silent = [f"{lang}.{v}" for lang, v in formal if not names_claim(t, t.texts[lang][v])]
    words = "a demand names the creditor {lender}, the loan {loan} and a sum of money"
    return [Problem("demand_without_claim", words, f"texts.{at}") for at in silent]


# Who changes them


def template_get(code: str, version: int | None = None) -> MessageTemplate:
    """One version of a template, the newest when none is named. Raises NotFound."""
    rows = MessageTemplate.objects.filter(code=code).order_by("-version")
    found = rows.first() if version is None else rows.filter(version=version).first()
    if found is None:
        raise NotFound(Problem("no_such_template", f"there is no template {code}" + (f" v{version}" if version else ""), "code"))
    return found


def template_draft(code: str, *, given: Mapping[str, Any], note: str, may_flag: bool, actor: str) -> MessageTemplate:
    """A new version as a draft, from the newest with the fields in `given` changed; an open draft is changed in place.

    may_flag: whether the person may set the legal flags (legal only). Raises Refused: unknown fields, flags that may not be set,
    or a version that waits for its review.
    """
    unknown = sorted(set(given) - set(TEMPLATE_FIELDS))
    if unknown:
        raise Refused(*(Problem("unknown_field", f"a template has no field {u}", u) for u in unknown))
    with transaction.atomic():
        last = MessageTemplate.objects.select_for_update().filter(code=code).order_by("-version").first()
        if last is not None and last.state == TemplateState.REVIEW:
            raise refuse("in_review", f"{last} waits for its review; withdraw that first", "code")
        _flags_allowed(last, given, may_flag)
        t = last if last is not None and last.state == TemplateState.DRAFT else _next(code, last)
        for name, value in given.items():
            setattr(t, name, value)
        t.note, t.drafted_by, t.drafted_at = note.strip()[:200], actor, now()
        _shape(t)
        t.save()
        log(actor, "template.draft", "message_template", str(t))
    return t


def _next(code: str, last: MessageTemplate | None) -> MessageTemplate:
    t = MessageTemplate(code=code, version=(last.version + 1) if last else 1, state=TemplateState.DRAFT)
    for name in TEMPLATE_FIELDS if last else ():
        setattr(t, name, getattr(last, name))
    return t


def _flags_allowed(last: MessageTemplate | None, given: Mapping[str, Any], may_flag: bool) -> None:
    changed = [f for f in LEGAL_FLAGS if f in given and bool(given[f]) != bool(getattr(last, f, False))]
    if changed and not may_flag:
        raise Refused(
            *(Problem("legal_only", "only legal says what is a demand or an adverse-record notice", f) for f in changed)
        )


def _shape(t: MessageTemplate) -> None:
    """Refuse what is no template at all; what is merely not ready is said by template_problems."""
    problems = []
    if not t.code.replace("_", "").replace(".", "").isalnum() or not t.code[0].isalpha() or len(t.code) > 40:
        problems.append(Problem("bad_code", "a code is letters, digits, dots: reminder.before_due", "code"))
    problems += [Problem("missing", "the template needs a name", n) for n in ("name_zh", "name_en") if not getattr(t, n).strip()]
    for language, texts in t.texts.items():
        if language not in LANGUAGES or not set(texts) <= set(VARIANTS):
            problems.append(Problem("bad_text", f"texts are {', '.join(LANGUAGES)}, each with {', '.join(VARIANTS)}", "texts"))
    if not 1 <= t.hours <= 24 * 90:
        problems.append(Problem("bad_hours", "a message waits 1 to 2160 hours", "hours"))
    if problems:
        raise Refused(*problems)


def template_publish(t: MessageTemplate, *, valid_from: date, approval: str, actor: str) -> MessageTemplate:
    """Put a reviewed version in force from a day; the version before it ends there. Called by the approval's grant.

    Raises Refused when its texts break a rule on that day, or another version begins later.
    """
    with transaction.atomic():
        row = MessageTemplate.objects.select_for_update().get(pk=t.pk)
        if row.state != TemplateState.REVIEW:
            raise refuse("not_in_review", f"{row} is {row.state}: only what a second person has read is put in force", "code")
        if problems := template_problems(row, valid_from):
            raise Refused(*problems)
        for old in MessageTemplate.objects.select_for_update().filter(code=row.code, state=TemplateState.PUBLISHED):
            if old.valid_from is not None and old.valid_from >= valid_from:
                raise refuse("later_version", f"{old} begins on {old.valid_from}: choose a later day or retire it", "valid_from")
            if old.valid_to is None or old.valid_to > valid_from:
                old.valid_to = valid_from
                old.save(update_fields=["valid_to"])
        row.state, row.valid_from, row.approval = TemplateState.PUBLISHED, valid_from, approval
        row.published_by, row.published_at = actor, now()
        row.save()
        log(actor, "template.publish", "message_template", str(row), {"from": valid_from.isoformat(), "approval": approval})
    return row


def template_retire(t: MessageTemplate, *, on: date, reason: str, actor: str) -> MessageTemplate:
    """End a published version from a day on. Raises Refused without a reason, or for one that is not in force."""
    if not reason.strip():
        raise refuse("missing", "say why", "reason")
    with transaction.atomic():
        row = MessageTemplate.objects.select_for_update().get(pk=t.pk)
        if row.state != TemplateState.PUBLISHED or (row.valid_to is not None and row.valid_to <= on):
            raise refuse("not_in_force", f"{row} is not in force", "code")
        row.valid_to, row.note = max(on, (row.valid_from or on)), reason.strip()[:200]
        if row.valid_to <= on:
            row.state = TemplateState.RETIRED
        row.save()
        log(actor, "template.retire", "message_template", str(row), {"on": on.isoformat()})
    return row


# The package's own wordings


def catalogue_read() -> list[dict[str, Any]]:
    """The templates that come with the package, as their YAML says; those of another pack have its name before their code."""
    own = [t for path in sorted(CATALOGUE.glob("*.yaml")) for t in yaml.safe_load(path.read_text("utf-8"))["templates"]]
    return own + [t for folder in sorted(CATALOGUE.iterdir()) if folder.is_dir() for t in _catalogue_of(folder)]


def _catalogue_of(folder: Path) -> list[dict[str, Any]]:
    """The wordings of one pack's folder, the shared sentences of its parts.yaml put in."""
    shared = yaml.safe_load((folder / "parts.yaml").read_text("utf-8"))["parts"]
    files = [p for p in sorted(folder.glob("*.yaml")) if p.name != "parts.yaml"]
    entries = [t for path in files for t in yaml.safe_load(path.read_text("utf-8"))["templates"]]
    for t in entries:
        t["code"] = f"{folder.name}.{t['code']}"
        for language in shared:
            texts, parts = t[language], shared[language]
            for variant, said in texts.items():
                if said == AS_APP:
                    app = texts["app"]
                    subject, body = app["subject"], f"{{lender}}\n\n{app['body']}\n\n[mail_out]"
                    said = {"subject": f"{{lender}}: {subject}", "body": body}
                texts[variant] = _joined(said, parts)
    return entries


AS_APP = "as_app"
"""In a catalogue, for the text by mail: the app's, named by the lender, with the way out."""


def _joined(said: Any, parts: Mapping[str, str]) -> Any:
    """A text with [name] replaced by the shared sentence of that name, which may hold others."""
    if isinstance(said, Mapping):
        return {k: _joined(v, parts) for k, v in said.items()}
    while any(f"[{name}]" in said for name in parts):
        for name, text in parts.items():
            said = said.replace(f"[{name}]", text)
    return said


def template_from(entry: Mapping[str, Any]) -> MessageTemplate:
    """An unsaved first version from an entry of the catalogue. Raises Refused for unknown keys."""
    given = {k: v for k, v in entry.items() if k not in ("code", "zh", "en", "purpose", "recipient")}
    if unknown := sorted(set(given) - set(TEMPLATE_FIELDS)):
        raise Refused(*(Problem("unknown_field", f"{entry['code']}: no field {u}", u) for u in unknown))
    texts = {
        language: {v: {"body": said} if isinstance(said, str) else dict(said) for v, said in entry[word].items()}
        for language, word in zip(LANGUAGES, ("zh", "en"), strict=True)
    }
    t = MessageTemplate(
        code=entry["code"], version=1, purpose=Purpose[entry["purpose"].upper()],
        recipient=Recipient[entry.get("recipient", "debtor").upper()], texts=texts, **given,
    )  # fmt: skip
    _shape(t)
    return t


def templates_seed(on: date, *, actor: str) -> int:
    """Publish the package's templates that the book does not have yet, from a day on; how many."""
    have, made = set(MessageTemplate.objects.values_list("code", flat=True)), 0
    with transaction.atomic():
        for entry in catalogue_read():
            if entry["code"] in have:
                continue
            t = template_from(entry)
            t.drafted_by, t.drafted_at, t.note = actor, now(), gettext_noop("comes with the package")
            if problems := template_problems(t, on):
                raise Refused(*problems)
            t.state, t.valid_from, t.published_by, t.published_at = TemplateState.PUBLISHED, on, actor, now()
            t.save()
            made += 1
        if made:
            log(actor, "template.seed", "message_template", "", {"count": made})
    return made


def versions_of(code: str) -> list[MessageTemplate]:
    """Every version of a template, the newest first."""
    return list(MessageTemplate.objects.filter(code=code).order_by("-version"))


def newest_of_each() -> list[MessageTemplate]:
    """The newest version of every template, by code."""
    newest = MessageTemplate.objects.values("code").annotate(last=Max("version"))
    wanted = {(n["code"], n["last"]) for n in newest}
    return [t for t in MessageTemplate.objects.order_by("code", "-version") if (t.code, t.version) in wanted]
