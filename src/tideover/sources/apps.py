from django.apps import AppConfig


class SourcesConfig(AppConfig):
    name = "tideover.sources"
    label = "sources"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from tideover.core.panels import Panel, register
        from tideover.sources.panels import person_consents

        register("person.side", Panel("consents", "sources/panel.html", person_consents, "person", 20))
