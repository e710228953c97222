"""Addresses of the pages of the counter."""

from __future__ import annotations

from django.urls import path

from tideover.lending.counter import views, views_tills

urlpatterns = [
    path("counter", views.counter, name="counter"),
    path("counter/take/<str:reference>", views.take, name="counter-take"),
    path("counter/slips/<str:number>", views.slip, name="counter-slip"),
    path("counter/slips/<str:number>/print", views.slip_print, name="counter-print"),
    path("tills", views_tills.tills, name="tills"),
    path("tills/<str:number>", views_tills.till, name="till"),
    path("large-cash", views_tills.large_cash, name="large-cash"),
]
