"""Addresses of the pages beside a core."""

from __future__ import annotations

from django.urls import path

from tideover.lending.beside import views

urlpatterns = [
    path("breaks", views.breaks, name="breaks"),
    path("breaks/<str:number>", views.break_work, name="break-work"),
    path("core-files", views.core_files, name="core-files"),
    path("instructions", views.instructions, name="instructions"),
]
