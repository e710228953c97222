"""Addresses of bank statements: the desk, the files, and where banks call."""

from __future__ import annotations

from django.urls import path

from tideover.lending.statements import hook

urlpatterns = [
    path("hooks/bank", hook.bank_hook, name="bank-hook"),
]
