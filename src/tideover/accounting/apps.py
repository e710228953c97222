"""The accounting app: triggers after every migrate, the approval of closing a period, panels on other pages."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountingConfig(AppConfig):
    name = "tideover.accounting"
    label = "accounting"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.accounting.panels import home_context, loan_context
        from tideover.accounting.services import kinds_register
        from tideover.accounting.triggers import install
        from tideover.core import panels

        kinds_register()
        panels.register("home.rows", panels.Panel("books", "", home_context, "books-home"))
        panels.register("loan.side", panels.Panel("books", "accounting/loan_panel.html", loan_context, "books-loan", order=200))

        post_migrate.connect(lambda using, **_: install(using), sender=self, weak=False, dispatch_uid="open-period")
