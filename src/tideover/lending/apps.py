"""The lending app: it says what a post reaches; after every migrate the append-only triggers are put back."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LendingConfig(AppConfig):
    name = "tideover.lending"
    label = "lending"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.core import panels, reach
        from tideover.lending import approvals, publishing, work_sources
        from tideover.lending.beside import services as beside
        from tideover.lending.beside.panels import borrower_side, loan_side
        from tideover.lending.counter.register import register as counter_register
        from tideover.lending.debits.panels import panels_register
        from tideover.lending.desk import rows as desk
        from tideover.lending.documents import kinds_register
        from tideover.lending.panels import EXCEPTIONS, home_row
        from tideover.lending.panels_documents import loan_documents, signatures_stuck
        from tideover.lending.receipts.register import register as receipts_register
        from tideover.lending.selectors import reach_of
        from tideover.lending.statements.register import register as statements_register
        from tideover.lending.triggers import install

        kinds_register()
        panels_register()
        reach.register(reach_of)
        side = panels.Panel("documents", "lending/loan/documents.html", loan_documents, "loan", 200)
        panels.register("loan.side", side)
        for name in EXCEPTIONS:
            panels.register("home.rows", panels.Panel(name, "", home_row(name), ""))
        panels.register("home.rows", panels.Panel("signatures", "", signatures_stuck, "document-sign"))
        desk.panels_register()
        panels.register("loan.side", panels.Panel("instructions", "beside/loan_panel.html", loan_side, "loan-instructions", 50))
        mine = panels.Panel("instructions", "beside/borrower_panel.html", borrower_side, "my-instructions", 10)
        panels.register("borrower.home", mine)
        post_migrate.connect(lambda using, **_: install(using), sender=self, weak=False, dispatch_uid="append-only")
        approvals.kind_register()
        receipts_register()
        counter_register()
        statements_register()
        beside.kinds_register()
        work_sources.kinds_register()
        publishing.kinds_register()
