"""Addresses of the lending pages."""

from __future__ import annotations

from django.urls import path

from tideover.lending import views, views_documents, views_mine

urlpatterns = [
    path("loans", views.loan_list, name="loan-list"),
    path("loans/<str:number>", views.loan, name="loan"),
    path("loans/<str:number>/what-if", views.loan_what_if, name="loan-what-if"),
    path("loans/<str:number>/payments/<int:seq>", views.loan_payment, name="loan-payment"),
    path("people/<str:reference>", views.person, name="person"),
    path("my/schedule/<str:number>", views_mine.my_schedule, name="my-schedule"),
    path("my/receipts", views_mine.my_receipts, name="my-receipts"),
    path("my/documents", views_documents.my_documents, name="my-documents"),
    path("my/documents/<str:number>", views_documents.my_document, name="my-document"),
    path("loans/<str:number>/documents", views_documents.loan_document_issue, name="loan-document-issue"),
    path("documents/<str:number>", views_documents.document, name="document"),
    path("documents/<str:number>/cancel", views_documents.document_cancel, name="document-cancel"),
    path("documents/<str:number>/sign", views_documents.document_sign, name="document-sign"),
    path("my/help", views_mine.my_help, name="my-help"),
]
