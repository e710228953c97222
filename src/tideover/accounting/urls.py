"""Addresses of the books."""

from __future__ import annotations

from django.urls import path

from tideover.accounting import views

urlpatterns = [
    path("books", views.books, name="books"),
    path("books/trial-balance", views.balance, name="books-trial-balance"),
    path("books/accounts/<str:code>", views.account, name="books-account"),
    path("books/entries/<int:pk>", views.entry, name="books-entry"),
    path("books/income", views.income, name="books-income"),
    path("books/non-accrual", views.non_accrual, name="books-non-accrual"),
    path("books/periods", views.periods, name="books-periods"),
    path("books/export", views.export, name="books-export"),
]
