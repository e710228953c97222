"""Every address of the site."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from tideover.web import views
from tideover.web.api import api

urlpatterns = [
    path("sign-in", LoginView.as_view(template_name="web/sign_in.html", redirect_authenticated_user=True), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("language", views.set_language, name="set-language"),
    path("look", views.set_look, name="set-look"),
    path("api/v1/", api.urls),
    path("", include("tideover.lending.urls")),
]
handler403 = "tideover.web.views.forbidden"
handler404 = "tideover.web.views.not_found"
handler500 = "tideover.web.views.broken"
