"""The contact app: what it adds to approvals, documents, role homes and pages of others."""

from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "tideover.contact"
    label = "contact"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.contact import clock_saving, panels_messages
        from tideover.contact.approvals import KIND
        from tideover.contact.letters import LETTER
        from tideover.core import approvals, documents, panels

        approvals.register(KIND)
        approvals.register(clock_saving.kind)
        documents.register(LETTER)
        for name, row in panels_messages.HOME_ROWS.items():
            panels.register("home.rows", panels.Panel(name, "", row.context, row.seen_by))
        piece = panels.Panel("messages", "contact/panels/messages.html", panels_messages.loan_messages, "message-list", 60)
        panels.register("loan.side", piece)
        piece = panels.Panel("messages", "contact/panels/messages.html", panels_messages.person_messages, "message-list", 60)
        panels.register("person.side", piece)
        piece = panels.Panel("inbox", "contact/panels/inbox.html", panels_messages.inbox_link, "my-messages", 10)
        panels.register("borrower.home", piece)
