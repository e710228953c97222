"""Addresses of pay-offs."""

from __future__ import annotations

from django.urls import path

from tideover.lending.payoff import views, views_mine

urlpatterns = [
    path("my/payoff/<str:number>", views_mine.my_payoff, name="my-payoff"),
    path("my/held", views_mine.my_held, name="my-held"),
    path("loans/<str:number>/payoff-quotes", views.quotes, name="payoff-quotes"),
    path("loans/<str:number>/payoff-quotes/make", views.quote_make, name="payoff-quote-make"),
    path("payoff-quotes/<str:number>/withdraw", views.quote_take_back, name="payoff-quote-withdraw"),
]
