"""Every address of the site."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from tideover.web import api_docs, book, day, home, views
from tideover.web.api import api

urlpatterns = [
    path("", home.page, name="home"),
    path("sign-in", views.SignIn.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("language", views.set_language, name="set-language"),
    path("look", views.set_look, name="set-look"),
    path("settings", views.settings_page, name="settings"),
    path("book", book.page, name="book"),
    path("book.csv", book.csv_file, name="book-csv"),
    path("book/trend", book.trend, name="book-trend"),
    path("book/loans", book.loans, name="book-loans"),
    path("day", day.page, name="day"),
    path("api/docs", api_docs.page, name="api-docs"),
    path("api/v1/", api.urls),
    path("", include("tideover.contact.urls")),
    path("", include("tideover.lending.urls")),
]
handler400 = "tideover.web.views.not_understood"
handler403 = "tideover.web.views.forbidden"
handler404 = "tideover.web.views.not_found"
handler500 = "tideover.web.views.broken"
