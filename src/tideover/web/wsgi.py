"""WSGI entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tideover.web.settings")
application = get_wsgi_application()

# What is loaded stays for good: the collector need not walk through it again and again, and a batch of 1,000 payments makes
# tens of thousands of objects that live for one request (a fifth of its time went into collections).
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
