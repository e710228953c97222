"""Gateways to the outside: one adapter a gateway, all of the shape in base.py."""
