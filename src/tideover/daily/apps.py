"""The day's app: what needs somebody goes into the queue after each close, and a close that stopped half-way is work."""

from django.apps import AppConfig


class DailyConfig(AppConfig):
    name = "tideover.daily"
    label = "daily"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.daily import steps, work_sources

        work_sources.kinds_register()
        steps.register(steps.Step("documents", frozenset({"manifest"}), frozenset(), work_sources.documents))
        steps.register(steps.Step("work", frozenset({"manifest"}), frozenset(), work_sources.day_to_come))
