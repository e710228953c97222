from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "tideover.contact"
    label = "contact"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.contact import approval, panels
        from tideover.core import approvals
        from tideover.core.panels import Panel, register

        approvals.register(approval.kind)
        register("person.side", Panel("contact-now", "contact/panel.html", panels.person_now, "person", 10))
        register("loan.side", Panel("contact-now", "contact/panel.html", panels.loan_now, "loan", 10))
        register("borrower.home", Panel("my-contact", "contact/my_panel.html", panels.mine, "my-contact", 90))
        register("home.rows", Panel("blocked", "", panels.blocked_today, "contact-export"))
