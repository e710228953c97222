"""Payments operations' desk."""
