"""Addresses of the gate's pages."""

from __future__ import annotations

from django.urls import path

from tideover.contact import views, views_proof, views_reach

urlpatterns = [
    path("contact-log", views.contact_log_page, name="contact-log"),
    path("contact-log/export", views.export, name="contact-export"),
    path("contact-log/proof", views_proof.page, name="contact-proof"),
    path("contact-log/proof.csv", views_proof.file, name="contact-proof-file"),
    path("contact-log/decisions/<int:pk>", views.verdict, name="verdict"),
    path("people/<str:reference>/call", views.call, name="contact-call"),
    path("loans/<str:number>/clock", views.clock, name="contact-clock"),
    path("holds", views.holds, name="holds"),
    path("people/<str:reference>/addresses", views_reach.addresses, name="contact-addresses"),
    path("my/contact/mini-program", views_reach.my_mini_program, name="my-mini-program"),
    path("my/contact", views.my_contact, name="my-contact"),
]
