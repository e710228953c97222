"""The catalogue: every product is what its preset says, mistakes are named with file, key and reason, versions never change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import yaml

from tests.factories import House
from tests.peers_book.history import payment_record
from tideover.core.problems import Refused
from tideover.engine import presets
from tideover.engine.replay import replay, schedule
from tideover.engine.standing import Row
from tideover.engine.terms import Terms, date_of, day
from tideover.lending.contract_terms import terms_for, terms_from
from tideover.lending.models import Contract, Product
from tideover.lending.products import CATALOGUE, catalogue_load, product_check, product_load
from tideover.lending.services import contract_open

SEASON = {10: 1, 11: 2}
PRESETS: dict[str, Callable[[dict[str, Any]], Terms]] = {
    "consumer-annuity": lambda e: presets.consumer_annuity(
        e["principal_minor"], e["annual_rate_ppm"], e["disbursed_on"], e["instalments"]
    ),
    "consumer-equal-principal": lambda e: presets.consumer_equal_principal(
        e["principal_minor"], e["annual_rate_ppm"], e["disbursed_on"], e["instalments"]
    ),
    "sme-interest-only": lambda e: presets.enterprise_interest_only(
        e["principal_minor"], e["annual_rate_ppm"], e["disbursed_on"], e["maturity_on"]
    ),
    "short-bullet": lambda e: presets.bullet(e["principal_minor"], e["annual_rate_ppm"], e["disbursed_on"], e["maturity_on"]),
    "drawdown": lambda e: presets.drawdown(e["principal_minor"], e["annual_rate_ppm"], e["disbursed_on"], e["maturity_on"]),
    "sme-seasonal": lambda e: presets.enterprise_seasonal(
        e["principal_minor"], e["annual_rate_ppm"], e["disbursed_on"], day("2026-02-01"), 10, SEASON
    ),
    "sme-lpr-floating": lambda e: presets.enterprise_floating(
        e["principal_minor"], 30_000, 12_500, e["disbursed_on"], e["maturity_on"]
    ),
}


def files() -> dict[str, dict[str, Any]]:
    return {(d := yaml.safe_load(p.read_text(encoding="utf-8")))["code"]: d for p in sorted(CATALOGUE.glob("*.yaml"))}


def product_rows(data: dict[str, Any]) -> list[Row]:
    example = dict(data["example"])
    own = {"custom_rows": example.pop("custom_rows")} if "custom_rows" in example else {}
    return schedule(terms_from(data["conventions"], example, own))


def test_every_product_of_the_catalogue_has_a_preset_and_passes_its_own_check(db: None) -> None:
    assert set(files()) == set(PRESETS)
    assert {p.code for p in catalogue_load()} == set(PRESETS)


@pytest.mark.parametrize("code", sorted(PRESETS))
def test_the_preset_gives_the_schedule_of_the_product(code: str) -> None:
    data = files()[code]
    made = [(r.due_on, r.principal_minor, r.interest_minor) for r in schedule(PRESETS[code](data["example"]))]
    wanted = [(r.due_on, r.principal_minor, r.interest_minor) for r in product_rows(data)]
    if code == "sme-seasonal":  # the product's example asks for interest in four months, the preset in each
        made = [(on, p, 0) for on, p, _ in made if p]
        wanted = [(on, p, 0) for on, p, _ in wanted if p]
    assert made == wanted and wanted
    assert sum(p for _, p, _ in made) == data["example"]["principal_minor"]


def test_a_seasonal_plan_repays_in_the_season_alone() -> None:
    terms = presets.enterprise_seasonal(1_000_000, 60_000, day("2026-01-05"), day("2026-01-31"), 24, SEASON)
    rows = schedule(terms)
    assert {date_of(r.due_on).month for r in rows if r.principal_minor} == {10, 11}
    assert sum(r.principal_minor for r in rows) == 1_000_000 and all(r.interest_minor > 0 for r in rows[:22])
    assert date_of(rows[1].due_on) == date(2026, 2, 28)
    with pytest.raises(ValueError, match="none of the 3 rows falls into the season"):
        presets.enterprise_seasonal(1_000_000, 60_000, day("2026-01-05"), day("2026-01-31"), 3, SEASON)


def test_a_floating_loan_costs_what_its_resets_say() -> None:
    terms = presets.enterprise_floating(36_000_000, 30_000, 12_500, day("2026-01-21"), day("2027-01-21"))
    cheap = presets.resets([(day("2026-07-21"), 20_000)], 12_500)
    fixed, floating = (replay(terms, events, day("2027-01-21")) for events in ([], cheap))
    of_july = [(r.due_on, r.interest_minor) for r in floating.rows if r.due_on <= day("2026-07-21")]
    assert of_july == [(r.due_on, r.interest_minor) for r in fixed.rows if r.due_on <= day("2026-07-21")]
    later = [r for r in floating.rows if r.due_on == day("2026-08-21")]
    assert later[0].interest_minor == 36_000_000 * 31 * 32_500 // (360 * 1_000_000)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("code: consumer-annuity", "code: consumer-annuity\ncolour: red", ("unknown key colour", "colour")),
        ("version: 1", "version: one", ("version must be a whole number", "version")),
        ("version: 1", "version: 0", ("version must be at least 1", "version")),
        ("valid_from: 2023-01-01", "valid_from: soon", ("valid_from must be a date like", "valid_from")),
        ("valid_from: 2023-01-01", "valid_from: 2023-01-01\nvalid_to: 2022-01-01", ("must be after valid_from", "valid_to")),
        ("method: annuity", "method: circle", ("method cannot be 'circle'; it is one of annuity", "conventions")),
        ("  method: annuity", "  method: annuity\n  mood: good", ("unknown term mood", "conventions")),
        ("principal_max_minor: 20000000", "principal_most: 1", ("unknown limit principal_most", "limits.principal_most")),
        ("principal_max_minor: 20000000", "principal_max_minor: 0.5", ("must be a whole number", "limits.principal_max_minor")),
        ("instalments: 12", "instalments: 0", ("instalments must be at least 1", "conventions")),
        ("name_zh: 消费贷（等额本息）\n", "", ("name_zh is missing", "name_zh")),
        ("conventions:", "conventions: [", ("consumer.yaml", "")),
    ],
)  # fmt: skip
def test_a_mistake_names_file_key_and_reason(old: str, new: str, says: tuple[str, str]) -> None:
    text = (CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(Refused) as caught:
        product_check(text.replace(old, new), "consumer.yaml")
    [problem] = caught.value.problems
    assert says[0] in problem.message and problem.message.startswith("consumer.yaml: ") and problem.field == says[1]


def test_all_mistakes_are_said_at_once() -> None:
    text = (CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8")
    with pytest.raises(Refused) as caught:
        product_check(text.replace("version: 1", "version: one").replace("name_en", "name_fr"), "x.yaml")
    assert {p.field for p in caught.value.problems} == {"name_fr", "name_en", "version"}


def opened(house: House, product: Product, number: str, on: date) -> Contract:
    return contract_open(
        number=number, product=product, borrower=house.borrower, branch=house.branch, principal_minor=1_200_000,
        annual_rate_ppm=60_000, signed_on=on, disbursed_on=on, instalments=12, first_due_on=date(2026, 8, 1), due_day=1,
        actor="t", as_of=on,
    )  # fmt: skip


def test_a_contract_keeps_the_version_under_which_it_was_signed(house: House) -> None:
    text = (CATALOGUE / "consumer_annuity.yaml").read_text(encoding="utf-8")
    first = product_load(text.replace("valid_from: 2023-01-01", "valid_from: 2023-01-01\nvalid_to: 2026-07-01"))
    old = opened(house, first, "V-1", date(2026, 6, 30))
    before = schedule(terms_for(old))
    newer = text.replace("version: 1", "version: 2").replace("method: annuity", "method: equal_principal")
    second = product_load(newer.replace("valid_from: 2023-01-01", "valid_from: 2026-07-01"))
    kept = Contract.objects.select_related("product").get(number="V-1")
    assert kept.product.version == 1 and schedule(terms_for(kept)) == before
    payment_record(kept, amount_minor=1_000, received_on=date(2026, 7, 2), idempotency_key="k", actor="t")
    assert Contract.objects.get(number="V-1").product_id == first.pk
    assert schedule(terms_for(opened(house, second, "V-2", date(2026, 7, 1)))) != before
    for product, on in ((first, date(2026, 7, 1)), (second, date(2026, 6, 30))):
        with pytest.raises(Refused, match="is not on offer on"):
            opened(house, product, "V-3", on)
    with pytest.raises(Refused, match="raise the version"):
        product_load(newer.replace("surplus: hold", "surplus: next"))
    assert Product.objects.filter(code="consumer-annuity").count() == 2
