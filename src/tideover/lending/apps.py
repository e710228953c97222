"""The lending app: after every migrate the append-only triggers are put back."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LendingConfig(AppConfig):
    name = "tideover.lending"
    label = "lending"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.lending.triggers import install

        post_migrate.connect(lambda using, **_: install(using), sender=self, weak=False, dispatch_uid="append-only")
