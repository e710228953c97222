"""Addresses that gateways, browsers and mail programs call."""

from __future__ import annotations

from django.urls import path

from tideover.contact.channels import hooks, views

urlpatterns = [
    path("hooks/<str:gateway>/<str:token>/<str:what>", hooks.hook, name="hook"),
    path("my/push", views.my_push, name="my-push"),
    path("push/shown", views.push_shown, name="push-shown"),
    path("unsubscribe/<str:token>", views.unsubscribe, name="unsubscribe"),
]
