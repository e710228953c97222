"""The kit's app: its own kinds of approval are made known."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "tideover.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.core import authority_publish, experiments

        authority_publish.kind_register()
        experiments.kinds_register()
        from tideover.core.documents.cancel import cancel_register

        cancel_register()
