"""What every document about a loan says: who lends, who borrowed, which loan; the loan on a day, by whoever's figures hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.utils.text import capfirst
from django.utils.translation import override

from tideover.core.business_time import business_date
from tideover.core.documents import Amount, Rate
from tideover.core.problems import refuse
from tideover.engine.standing import Standing
from tideover.lending.contract_terms import terms_for
from tideover.lending.held import Held, standing_held
from tideover.lending.models import Contract, LoanEvent, Party
from tideover.lending.words import word


@dataclass(frozen=True, slots=True)
class LoanOnDay:
    """A loan as the documents read it: its journal up to now, and its standing on a day with the trace of where money went."""

    contract: Contract
    events: list[LoanEvent]
    held: Held
    as_of: date
    language: str

    @property
    def standing(self) -> Standing:
        return self.held.standing

    def word(self, code: str) -> str:
        """The word of a code in the document's language."""
        with override(self.language):
            return capfirst(word(code))


def loan_on(contract: Contract, as_of: date, language: str) -> LoanOnDay:
    """The loan on a day, from everything known now. Raises Refused for a day that lies ahead or before the payout."""
    if as_of > business_date():
        raise refuse("day_ahead", f"{as_of} lies ahead: a document says what was, choose today or a day before", "as_of")
    if as_of < contract.disbursed_on:
        raise refuse(
            "before_payout", f"the loan was paid out on {contract.disbursed_on}: choose that day or a later one", "as_of"
        )
    events = list(contract.events.order_by("seq"))
    return LoanOnDay(contract, events, standing_held(contract, as_of, events=events), as_of, language)


def named(thing: object, language: str) -> str:
    """The name of an entity, branch or product in the document's language."""
    return str(getattr(thing, "name_zh" if language.startswith("zh") else "name_en"))


def party_facts(party: Party, *, full: bool) -> dict[str, object]:
    """A party as a document names it. full: the identity number unmasked (payoff letter, contract: proof of who it is)."""
    return {
        "name": party.name,
        "kind": party.kind,
        "id_number": party.id_number if full else party.masked_id_number,
        "reference": party.reference,
    }


def loan_facts(contract: Contract, language: str, *, full_id: bool = False) -> dict[str, object]:
    """What stands at the head of each document of a loan."""
    return {
        "issuer": named(contract.entity, language),
        "branch": named(contract.branch, language),
        "borrower": party_facts(contract.borrower, full=full_id),
        "loan": contract.number,
        "product": named(contract.product, language),
        "principal": Amount(contract.principal_minor),
        "rate": Rate(terms_for(contract).annual_rate_ppm),
        "signed_on": contract.signed_on,
        "disbursed_on": contract.disbursed_on,
    }
