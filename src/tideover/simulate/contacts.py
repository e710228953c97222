"""What the demo lender's people agreed to and wished, and three weeks of contacts with those who are late: asked of the gate one
by one, so that the log holds what was allowed, what was not, and why. Chosen by place: the same book gives the same log.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tideover.contact.gate import contact_record, verdict_ask
from tideover.contact.preferences import preferences_set
from tideover.contact.rules.model import Channel, Outcome, Purpose, Recipient
from tideover.core.business_time import now, start_of_day
from tideover.lending.models import Contract, Party, StandingRow
from tideover.sources.models import Consent, ConsentAct
from tideover.sources.services import consent_withdraw

PEOPLE_MAX = 90
"""Late people with a log: more would make the demo slow to build and no page richer."""
CLAUSE = "clause 12: contact about this loan"
STEPS: tuple[tuple[int, int, int, Channel, Outcome], ...] = (
    (20, 9, 30, Channel.SMS, Outcome.DELIVERED),
    (16, 10, 15, Channel.CALL, Outcome.UNANSWERED),
    (16, 18, 40, Channel.CALL, Outcome.CONVERSATION),
    (12, 22, 10, Channel.CALL, Outcome.UNANSWERED),
    (11, 9, 5, Channel.SMS, Outcome.DELIVERED),
    (11, 14, 0, Channel.SMS, Outcome.DELIVERED),
    (11, 17, 30, Channel.SMS, Outcome.DELIVERED),
    (8, 11, 20, Channel.AI_CALL, Outcome.UNANSWERED),
    (6, 15, 0, Channel.VISIT, Outcome.CONVERSATION),
    (4, 10, 0, Channel.VISIT, Outcome.UNANSWERED),
    (3, 10, 40, Channel.CALL, Outcome.CONVERSATION),
    (1, 9, 45, Channel.APP, Outcome.DELIVERED),
    (1, 16, 20, Channel.CALL, Outcome.UNANSWERED),
)
"""Days ago, hour, minute, way, how it ended if it was allowed. Each person has a run of them."""


def consents_given() -> None:
    """The contact clause of every contract, as a consent with its evidence."""
    rows = [
        Consent(
            party_id=c.borrower_id, contract=c, purpose="contact", scope=CLAUSE, given_how="contract_clause",
            evidence=f"{c.number} §12", given_at=start_of_day(c.signed_on), actor="demo", recorded_at=start_of_day(c.signed_on),
        )
        for c in Contract.objects.order_by("pk").iterator()
    ]  # fmt: skip
    made = Consent.objects.bulk_create(rows, batch_size=1000)
    ConsentAct.objects.bulk_create(
        [
            ConsentAct(
                consent=c, act="given", at=c.given_at, how=c.given_how, evidence=c.evidence, actor="demo",
                recorded_at=c.recorded_at,
            )
            for c in made
        ],
        batch_size=1000,
    )  # fmt: skip


def wishes(late: list[StandingRow]) -> None:
    """Some people choose times and ways; two withdraw what they agreed to."""
    for n, row in enumerate(late):
        party = row.contract.borrower
        if n % 9 == 2:
            preferences_set(party, refused=["ai_call"], inconvenient=[(480, 720)], actor="borrower")
        elif n % 9 == 5:
            preferences_set(party, refused=["sms", "visit"], inconvenient=[], actor="borrower")
        elif n % 40 == 7:
            for consent in Consent.objects.filter(party=party):
                consent_withdraw(consent, how="app", actor="borrower")


def contacts_lived(as_of: date) -> None:
    """Consents, wishes, and the log of those who are late."""
    consents_given()
    rows = StandingRow.objects.filter(days_past_due__gt=0, bucket__in=("d1_30", "d31_60", "d61_90", "d91_180"))
    late = list(rows.select_related("contract__borrower", "contract__entity").order_by("contract_id")[:PEOPLE_MAX])
    for n, row in enumerate(late):
        _log(n, row, as_of)
    wishes(late)
    for n, row in enumerate(late):
        _today(n, row)


def _log(n: int, row: StandingRow, as_of: date) -> None:
    party, loans = row.contract.borrower, [row.contract]
    for days, hour, minute, channel, outcome in STEPS[n % 4 :: 1 + n % 3]:
        if days < row.days_past_due:
            at = start_of_day(as_of - timedelta(days=days)) + timedelta(hours=hour, minutes=minute + n % 25)
            _try(party, loans, channel, outcome, at)
    if n % 6 == 3:
        at = start_of_day(as_of - timedelta(days=2)) + timedelta(hours=19, minutes=n % 50)
        contact_record(
            party=party, contracts=loans, channel=Channel.CALL, purpose=Purpose.REPLY, outcome=Outcome.CONVERSATION, at=at,
            direction="in", seconds=60 + 7 * n, actor="collector",
        )  # fmt: skip


def _try(party: Party, loans: list[Contract], channel: Channel, outcome: Outcome, at: datetime) -> None:
    by_hand = channel in (Channel.CALL, Channel.VISIT)
    actor = "collector" if by_hand else "outbox"
    call = {"party": party, "contracts": loans, "channel": channel, "purpose": Purpose.COLLECTION, "at": at, "actor": actor}
    verdict = verdict_ask(**call)
    if verdict.allowed:
        seconds = 90 + at.minute * 5 if outcome == Outcome.CONVERSATION and channel != Channel.VISIT else None
        contact_record(**call, outcome=outcome, verdict=verdict, seconds=seconds)


def _today(n: int, row: StandingRow) -> None:
    """What was wanted today, with everything that stands today: holds, wishes, withdrawn consents, a third person."""
    at = now()
    if n % 2 == 0:
        _try(row.contract.borrower, [row.contract], Channel.CALL, Outcome.UNANSWERED, at)
    if n % 15 == 4:
        verdict_ask(
            party=row.contract.borrower, contracts=[row.contract], channel=Channel.CALL, purpose=Purpose.SERVICE,
            recipient=Recipient.UNRELATED, number="19900000000", discloses=False, at=at, actor="collector",
        )  # fmt: skip
