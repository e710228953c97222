"""The gateways' app: push subscriptions, webhooks, the button on the settings page."""

from __future__ import annotations

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """Registers the panel."""

    name = "tideover.contact.channels"
    label = "contact_channels"

    def ready(self) -> None:
        from tideover.contact.channels.panels import register_panels

        register_panels()
