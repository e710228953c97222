"""Addresses of the lending pages."""

from __future__ import annotations

from django.urls import path

from tideover.lending import views

urlpatterns = [
    path("", views.home, name="home"),
    path("loans", views.loan_list, name="loan-list"),
    path("loans/<str:number>", views.loan, name="loan"),
    path("loans/<str:number>/what-if", views.loan_what_if, name="loan-what-if"),
    path("people/<str:reference>", views.person, name="person"),
    path("my/schedule/<str:number>", views.my_schedule, name="my-schedule"),
    path("my/receipts", views.my_receipts, name="my-receipts"),
    path("action-log", views.action_log, name="action-log"),
]
