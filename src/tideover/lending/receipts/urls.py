"""Addresses of the pages of receipts."""

from __future__ import annotations

from django.urls import path

from tideover.lending.receipts import views

urlpatterns = [
    path("receipts", views.receipt_list, name="receipts"),
    path("receipts/<str:number>", views.receipt, name="receipt"),
    path("receipts/<str:number>/reverse", views.receipt_reverse_page, name="receipt-reverse"),
    path("receipts/<str:number>/move", views.receipt_move_page, name="receipt-move"),
    path("receipts/<str:number>/refund", views.receipt_refund_page, name="receipt-refund"),
    path("receipts/<str:number>/release", views.receipt_release_page, name="receipt-release"),
    path("receipts/<str:number>/refund-state", views.refund_state_page, name="refund-state"),
    path("receipts/<str:number>/alert", views.payer_alert_page, name="payer-alert-close"),
    path("my/receipts/<str:number>", views.my_receipt, name="my-receipt"),
]
