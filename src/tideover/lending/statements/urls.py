"""Addresses of bank statements: the desk, the files, and where banks call."""

from __future__ import annotations

from django.urls import path

from tideover.lending.statements import hook, views, views_suspense

urlpatterns = [
    path("hooks/bank", hook.bank_hook, name="bank-hook"),
    path("suspense", views_suspense.suspense, name="suspense"),
    path("suspense/<str:number>", views_suspense.suspense_one, name="suspense-one"),
    path("statements", views.statements, name="statements"),
    path("statements/upload", views.statement_upload, name="statement-upload"),
    path("statements/accounts", views.bank_accounts, name="bank-accounts"),
    path("statements/accounts/<str:number>", views.bank_account, name="bank-account"),
    path("statements/lines", views.bank_lines, name="bank-lines"),
    path("statements/lines/<str:reference>", views.bank_line, name="bank-line"),
    path("statements/<str:reference>", views.statement, name="statement"),
    path("statements/<str:reference>/rejects.csv", views.statement_rejects, name="statement-rejects"),
]
