"""Addresses of debits."""

from __future__ import annotations

from django.urls import path

from tideover.lending.debits import views, views_mine

urlpatterns = [
    path("debits", views.debits, name="debits"),
    path("debits/batches/<str:number>", views.batch, name="debit-batch"),
    path("debits/<str:reference>", views.debit, name="debit"),
    path("my/debits", views_mine.my_debits, name="my-debits"),
]
