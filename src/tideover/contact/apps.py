"""The contact app: what it adds to approvals, documents, role homes and pages of others."""

from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "tideover.contact"
    label = "contact"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.contact import clock_saving, panels_gate, panels_messages
        from tideover.contact.approvals import KIND
        from tideover.contact.letters import LETTER
        from tideover.core import approvals, documents
        from tideover.core.panels import Panel, register

        approvals.register(KIND)
        approvals.register(clock_saving.kind)
        documents.register(LETTER)
        for name, row in panels_messages.HOME_ROWS.items():
            register("home.rows", Panel(name, "", row.context, row.seen_by))
        piece = Panel("messages", "contact/panels/messages.html", panels_messages.loan_messages, "message-list", 60)
        register("loan.side", piece)
        piece = Panel("messages", "contact/panels/messages.html", panels_messages.person_messages, "message-list", 60)
        register("person.side", piece)
        piece = Panel("inbox", "contact/panels/inbox.html", panels_messages.inbox_link, "my-messages", 10)
        register("borrower.links", piece)
        now_panel = "contact/panel.html"
        register("person.side", Panel("contact-now", now_panel, panels_gate.person_now, "person", 10))
        register("loan.side", Panel("contact-now", now_panel, panels_gate.loan_now, "loan", 10))
        register("borrower.links", Panel("my-contact", "contact/my_panel.html", panels_gate.mine, "my-contact", 90))
        register("home.rows", Panel("blocked", "", panels_gate.blocked_today, "contact-export"))
