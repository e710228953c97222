"""Addresses of payments operations' desk."""

from django.urls import path

from tideover.lending.desk import views

urlpatterns = [path("late-files", views.late, name="late-files")]
