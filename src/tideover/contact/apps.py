from django.apps import AppConfig


class ContactConfig(AppConfig):
    name = "tideover.contact"
    label = "contact"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.contact import approval
        from tideover.core import approvals

        approvals.register(approval.kind)
