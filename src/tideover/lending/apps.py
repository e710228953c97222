from django.apps import AppConfig


class LendingConfig(AppConfig):
    name = "tideover.lending"
    label = "lending"
    default_auto_field = "django.db.models.BigAutoField"
