"""The lending app: it says what a post reaches; after every migrate the append-only triggers are put back."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LendingConfig(AppConfig):
    name = "tideover.lending"
    label = "lending"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.core import panels, reach
        from tideover.lending.panels import EXCEPTIONS, home_row
        from tideover.lending.selectors import reach_of
        from tideover.lending.triggers import install

        reach.register(reach_of)
        for name in EXCEPTIONS:
            panels.register("home.rows", panels.Panel(name, "", home_row(name), ""))
        post_migrate.connect(lambda using, **_: install(using), sender=self, weak=False, dispatch_uid="append-only")
