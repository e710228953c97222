"""A process that draws 100.00 many times under one facility: `python -m tests.lending.drawer NAME COUNT`."""

from __future__ import annotations

import sys
from datetime import date

import django

django.setup()

from tideover.core.problems import Refused
from tideover.lending.models import Branch, Facility, Party, Product
from tideover.lending.services import contract_open

for n in range(int(sys.argv[2])):
    try:
        contract_open(
            number=f"{sys.argv[1]}-{n}", product=Product.objects.get(), borrower=Party.objects.get(reference="P-0001"),
            branch=Branch.objects.get(code="HZ"), facility=Facility.objects.get(), principal_minor=100_000,
            annual_rate_ppm=60_000, signed_on=date(2026, 1, 20), disbursed_on=date(2026, 1, 20), instalments=3,
            first_due_on=date(2026, 2, 20), due_day=20, actor=sys.argv[1],
        )  # fmt: skip
    except Refused as refusal:
        assert {p.code for p in refusal.problems} == {"over_facility_limit"}, refusal
