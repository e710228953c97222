"""Addresses of the lending pages."""

from __future__ import annotations

from django.urls import include, path

from tideover.lending import views, views_documents, views_mine, views_signing
from tideover.lending.desk.urls import urlpatterns as desk_urls
from tideover.lending.payoff.urls import urlpatterns as payoff_urls
from tideover.lending.statements.urls import urlpatterns as statement_urls

urlpatterns = [
    path("", include("tideover.lending.debits.urls")),
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
    path("documents/<str:number>/ask-signature", views_signing.ask_signature, name="document-ask-signature"),
    path("documents/<str:number>/paper", views_signing.paper, name="document-paper"),
    path("signatures", views_signing.signature_list, name="signature-list"),
    path("signatures/<str:request_id>", views_signing.signature, name="signature"),
    path("signatures/<str:request_id>/scan", views_signing.signature_scan, name="signature-scan"),
    path("my/sign/<str:request_id>", views_signing.my_sign, name="my-sign"),
    path("my/sign/<str:request_id>/file", views_signing.my_sign_file, name="my-sign-file"),
    path("my/help", views_mine.my_help, name="my-help"),
    *payoff_urls,
    *statement_urls,
    *desk_urls,
]
