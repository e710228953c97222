from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "tideover.web"
    label = "web"
