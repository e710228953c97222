"""Addresses of messages: the outbox, wordings, letters, calls, answers, and the borrower's inbox."""

from __future__ import annotations

from django.urls import path

from tideover.contact import views_calls, views_inbox, views_letters, views_outbox, views_templates

urlpatterns = [
    path("outbox", views_outbox.message_list, name="message-list"),
    path("outbox/<str:reference>", views_outbox.message, name="message"),
    path("answers", views_outbox.answers, name="answer-list"),
    path("templates", views_templates.template_list, name="message-templates"),
    path("templates/<str:code>", views_templates.template, name="message-template"),
    path("templates/<str:code>/edit", views_templates.edit, name="message-template-edit"),
    path("letters", views_letters.batch_list, name="letter-batches"),
    path("letters/<str:number>", views_letters.batch, name="letter-batch"),
    path("letters/<str:number>/addresses.csv", views_letters.addresses_csv, name="letter-addresses"),
    path("letters/<str:number>/letters.zip", views_letters.letters_zip, name="letter-files"),
    path("calls", views_calls.call_lists, name="call-lists"),
    path("calls/<str:number>", views_calls.call_list, name="call-list"),
    path("my/messages", views_inbox.my_messages, name="my-messages"),
    path("my/messages/<str:reference>", views_inbox.my_message, name="my-message"),
]
