from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "tideover.core"
    label = "core"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.core.documents.cancel import cancel_register

        cancel_register()
