"""Every address of the site."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from tideover.web import action_log, api_docs, approvals, book, day, experiments, home, products, verify, views, work
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
    path("queue", work.page, name="work"),
    path("queue/next", work.start, name="work-start"),
    path("queue/<str:reference>", work.item, name="work-item"),
    path("approvals", approvals.page, name="approvals"),
    path("approvals/<str:reference>", approvals.one, name="approval"),
    path("experiments", experiments.page, name="experiments"),
    path("experiments/<str:code>/<int:version>", experiments.one, name="experiment"),
    path("products", products.page, name="products"),
    path("products/new", products.new, name="product-new"),
    path("products/<str:code>", products.one, name="product"),
    path("rates", products.rates_page, name="rates"),
    path("action-log", action_log.page, name="action-log"),
    path("action-log/export", action_log.export, name="action-log-export"),
    path("action-log/<int:number>", action_log.one, name="action-log-entry"),
    path("authority", approvals.authority, name="authority"),
    path("verify", verify.page, name="verify"),
    path("api/docs", api_docs.page, name="api-docs"),
    path("api/v1/", api.urls),
    path("", include("tideover.contact.urls")),
    path("", include("tideover.lending.urls")),
    path("", include("tideover.lending.receipts.urls")),
    path("", include("tideover.lending.beside.urls")),
    path("", include("tideover.lending.counter.urls")),
    path("", include("tideover.accounting.urls")),
    path("", include("tideover.contact.channels.urls")),
    path("", include("tideover.contact.urls_messages")),
]
handler400 = "tideover.web.views.not_understood"
handler403 = "tideover.web.views.forbidden"
handler404 = "tideover.web.views.not_found"
handler500 = "tideover.web.views.broken"
