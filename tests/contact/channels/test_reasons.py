"""Which reasons of our adapters mean that an address does not exist: nothing more is sent there."""

from __future__ import annotations

import pytest

from tideover.contact.rules.faults import is_gone


@pytest.mark.parametrize(
    "reason",
    [
        "number_invalid",
        "address_invalid",
        "smpp:0x0b Invalid destination address",
        "isv.MOBILE_NUMBER_ILLEGAL",
        "InvalidParameterValue.IncorrectPhoneNumber",
        "smtp:550 5.1.1",
        "failed 5.1.1",
        "errcode:60111 user_not_found",
        "errcode:40003 openid_invalid",
        "invaliduser",
        "no_such_number",
    ],
)
def test_no_such_address(reason: str) -> None:
    assert is_gone(reason)


@pytest.mark.parametrize(
    "reason",
    [
        "isv.SMS_TEMPLATE_ILLEGAL",
        "isv.INVALID_PARAMETERS",
        "InvalidParameterValue.TemplateParameterFormatError",
        "errcode:40037 template_invalid",
        "errcode:47003 values_invalid",
        "isv.ACCOUNT_NOT_EXISTS",
        "gone http:410",
        "no_subscription",
        "UNDELIV 027",
        "EXPIRED 001",
        "unanswered",
        "smtp:550 5.7.1",
        "amount_in_text",
    ],
)
def test_the_address_may_be_good(reason: str) -> None:
    assert not is_gone(reason)
