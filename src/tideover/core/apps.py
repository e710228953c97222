"""The kit's app: its own kinds of approval are made known."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "tideover.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.core import authority_publish, experiments

        post_migrate.connect(_keys, sender=self)

        authority_publish.kind_register()
        experiments.kinds_register()
        from tideover.core.documents.cancel import cancel_register
        from tideover.core.documents.ink import ink_register

        cancel_register()
        ink_register()


def _keys(sender: object, **kwargs: Any) -> None:
    """Keys that last are stored before anything is hashed with them."""
    from tideover.core.keys import lasting_keys_make

    lasting_keys_make()
