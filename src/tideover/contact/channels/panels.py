"""The button on a borrower's settings page that lets a browser show messages. Without JavaScript it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tideover.contact.channels.base import adapter_for
from tideover.contact.channels.push import Push
from tideover.contact.rules.model import Channel
from tideover.core.models import Role, User
from tideover.core.panels import Panel, register


def push_button(user: User, _thing: Any) -> Mapping[str, Any] | None:
    """The public key for the button; None where the lender has set no push keys, or for staff."""
    if user.role != Role.BORROWER:
        return None
    adapter = adapter_for(Channel.PUSH)
    return {"push_key": adapter.public_key} if isinstance(adapter, Push) else None


def register_panels() -> None:
    """Put the button into its slot."""
    panel = Panel("push", "contact_channels/push_button.html", push_button, "my-push", 50)
    register("settings", panel)
