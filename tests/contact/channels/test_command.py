"""`tideover channels`."""

from __future__ import annotations

import json

from tideover.cli import main
from tideover.contact.channels.address import GatewayAddress
from tideover.contact.channels.hooks import hook_token
from tideover.contact.channels.push import Push


def test_every_channel_with_the_addresses_that_its_gateway_calls(capsys, settings) -> None:
    settings.SITE_URL = "https://tideover.example"
    settings.CHANNELS = {"SMS": "aliyun://key:hunter2@dysmsapi.aliyuncs.com", "EMAIL": ""}
    assert main(["channels", "--json"]) == 0
    said = capsys.readouterr().out
    sms, mail = json.loads(said)["channels"]
    assert (sms["gateway"], mail["gateway"], "hunter2" in said) == ("aliyun", "unset", False)
    assert sms["calls_us_at"][0] == f"https://tideover.example/hooks/aliyun/{hook_token('aliyun')}/reports"
    assert main(["channels"]) == 0
    settings.CHANNELS = {"SMS": "pigeon://h"}
    assert main(["channels"]) == 2 and "TIDEOVER_SMS" in capsys.readouterr().err


def test_new_push_keys_fit_together(capsys) -> None:
    main(["channels", "--push-keys", "--json"])
    pair = json.loads(capsys.readouterr().out)
    push = Push(GatewayAddress.read(f"vapid:{pair['private']}?subject=mailto:a@b.cn", setting="X"))
    assert push.public_key == pair["public"]
    main(["channels", "--push-keys"])
    assert "TIDEOVER_PUSH=vapid:" in capsys.readouterr().out
