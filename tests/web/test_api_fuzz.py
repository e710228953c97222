"""Fuzzed requests, made from the OpenAPI document: never a server error, every answer as the document says. Seeded.

The long run is `-m soak`: TIDEOVER_FUZZ_REQUESTS requests over all operations (100,000 when not set).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from tests.factories import House
from tideover.core.access import PERMISSIONS
from tideover.core.business_time import now
from tideover.core.models import ApiToken, Role
from tideover.web.wsgi import application

SEED = int(os.environ.get("TIDEOVER_FUZZ_SEED", "20261101"))
CHECKS = (not_a_server_error, status_code_conformance, response_schema_conformance)


@pytest.fixture
def tokens(house: House) -> dict[str, str]:
    """A token of each role; the engineer's post covers the whole house."""
    house.staff["engineer"].posts.update(entity=None, branch=None)
    for role in Role:
        digest = hashlib.sha256(role.encode()).digest()
        ApiToken.objects.create(user=house.staff[role.value], name="f", token_hash=digest, created_at=now())
    return {role.value: f"Bearer {role.value}" for role in Role}


def _callers(permission: str) -> st.SearchStrategy[str]:
    """Mostly a role that may, of all that may; now and then any."""
    able = sorted(r.value for r in PERMISSIONS[permission])
    return st.one_of(st.sampled_from(able), st.sampled_from(able), st.sampled_from([r.value for r in Role]))


def _known(case, draw) -> None:
    """Now and then name things that exist, so that the fuzz gets past the first look-up."""
    names = {"number": "T-1", "reference": "P-0001", "code": "HZ", "loan": "T-1", "party": "P-0001", "borrower": "P-0001",
             "branch": "HZ", "entity": "BANK"}  # fmt: skip
    for part in (case.path_parameters, case.body):
        for key in list(part) if isinstance(part, dict) else ():
            if key in names and draw(st.integers(0, 3)):
                part[key] = names[key]


def fuzz(tokens: dict[str, str], examples: int) -> Counter[int]:
    """Send `examples` requests to each operation; how many answers had which status."""
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    answers: Counter[int] = Counter()
    for result in schema.get_all_operations():
        operation = result.ok()
        permission = f"api:{operation.definition.raw['operationId'].replace('_', '-')}"
        callers = _callers(permission)

        @seed(SEED)
        @settings(
            max_examples=examples, deadline=None, database=None, derandomize=False, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(), data=st.data())
        def one(case, data) -> None:
            _known(case, data.draw)
            headers = {"Authorization": tokens[data.draw(callers)]}  # noqa: B023
            response = case.call_and_validate(headers=headers, checks=list(CHECKS))
            answers[response.status_code] += 1

        one()
    return answers


def test_short_fuzz(tokens: dict[str, str]) -> None:
    assert sum(fuzz(tokens, 25).values()) > 800


@pytest.mark.soak
def test_long_fuzz(tokens: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    wanted = int(os.environ.get("TIDEOVER_FUZZ_REQUESTS", "100000"))
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    operations = sum(1 for _ in schema.get_all_operations())
    answers = fuzz(tokens, -(-wanted // operations))
    failed = sum(n for status, n in answers.items() if status >= 500)
    with capsys.disabled():
        by_status = ", ".join(f"{status}: {n}" for status, n in sorted(answers.items()))
        print(f"\n{sum(answers.values())} requests to {operations} operations; 5xx = {failed}; {by_status}")
    assert failed == 0 and answers[200] > 0
    # An operation whose inputs are soon exhausted (no parameters, no body) takes fewer than its share.
    assert sum(answers.values()) >= wanted * 0.8
