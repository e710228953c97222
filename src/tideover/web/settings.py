"""Settings. Secrets come from the environment; development defaults are refused when TIDEOVER_ENV=production."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent
DATA_DIR = Path(os.environ.get("TIDEOVER_HOME", "var")).resolve()
ENV = os.environ.get("TIDEOVER_ENV", "development")
PRODUCTION = ENV == "production"
DEBUG = os.environ.get("TIDEOVER_DEBUG", "") == "1" and not PRODUCTION


def secret(name: str, development: str) -> str:
    """An environment secret, or the development default outside production."""
    value = os.environ.get(name, "")
    if PRODUCTION and (not value or value == development or len(value) < 32):
        raise ImproperlyConfigured(f"{name} must be set to a secret of at least 32 characters when TIDEOVER_ENV=production")
    return value or development


SECRET_KEY = secret("TIDEOVER_SECRET_KEY", "development-only-not-for-production-use")
TIDEOVER_FIELD_KEY = secret("TIDEOVER_FIELD_KEY", "development-only-field-encryption-key")
TIDEOVER_FIELD_KEYS_ALSO = os.environ.get("TIDEOVER_FIELD_KEYS_ALSO", "").split()
"""Further master secrets that are read, never written under (core/keys.py)."""
if PRODUCTION and any(len(key) < 32 for key in TIDEOVER_FIELD_KEYS_ALSO):
    raise ImproperlyConfigured("each secret in TIDEOVER_FIELD_KEYS_ALSO must have at least 32 characters")
ALLOWED_HOSTS = os.environ.get("TIDEOVER_HOSTS", "localhost,127.0.0.1,[::1],testserver").split(",")
TRUSTED_PROXIES = int(os.environ.get("TIDEOVER_PROXIES", "0"))
BUSINESS_TIME_ZONE = os.environ.get("TIDEOVER_BUSINESS_TZ", "Asia/Shanghai")

_sink = "" if PRODUCTION else "sink:"
CHANNELS = {
    "APP": "app:",
    "SMS": os.environ.get("TIDEOVER_SMS", _sink),
    "EMAIL": os.environ.get("TIDEOVER_EMAIL", _sink),
    "WECOM": os.environ.get("TIDEOVER_WECOM", _sink),
    "MINI_PROGRAM": os.environ.get("TIDEOVER_MINI_PROGRAM", _sink),
    "AI_CALL": os.environ.get("TIDEOVER_AI_CALL", _sink),
    "PUSH": os.environ.get("TIDEOVER_PUSH", ""),
}
"""Channel → its gateway's address (docs/channels.md)."""
HOOK_SECRET = secret("TIDEOVER_HOOK_SECRET", "development-only-secret-of-webhooks")
SITE_URL = os.environ.get("TIDEOVER_SITE", "").rstrip("/")

DESK_POLICY = os.environ.get("TIDEOVER_DESK_POLICY", "")
PAYER_RULES = os.environ.get("TIDEOVER_PAYER_RULES", "")
HOTLINE = os.environ.get("TIDEOVER_HOTLINE", "400-000-0000")
COUNSELLOR_LINE = os.environ.get("TIDEOVER_COUNSELLOR_LINE", "400-000-0001")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "csp",
    "tideover.core",
    "tideover.lending",
    "tideover.accounting",
    "tideover.contact.channels",
    "tideover.sources",
    "tideover.contact",
    "tideover.daily",
    "tideover.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "tideover.web.problems.ProblemMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "tideover.web.views.TapeMiddleware",
]
ROOT_URLCONF = "tideover.web.urls"
WSGI_APPLICATION = "tideover.web.wsgi.application"
AUTH_USER_MODEL = "core.User"
LOGIN_URL = "sign-in"
CSRF_FAILURE_VIEW = "tideover.web.views.not_sent"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign-in"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["tideover.web.templatetags.tideover"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "tideover.web.context.shell",
            ],
        },
    }
]


def database() -> dict[str, object]:
    """SQLite in DATA_DIR by default; else TIDEOVER_DATABASE, a postgresql:// address or sqlite:///path."""
    url = os.environ.get("TIDEOVER_DATABASE", "")
    kind = url.partition("://")[0] if "://" in url else ""
    if kind not in ("", "sqlite", "postgres", "postgresql"):
        raise ImproperlyConfigured(f"TIDEOVER_DATABASE begins with {kind}://; it takes postgresql://… or sqlite:///path")
    if url.startswith("postgres"):
        from psycopg.conninfo import conninfo_to_dict

        info = conninfo_to_dict(url)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": info.get("dbname", ""),
            "USER": info.get("user", ""),
            "PASSWORD": info.get("password", ""),
            "HOST": info.get("host", ""),
            "PORT": info.get("port", ""),
            "CONN_MAX_AGE": 60,
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": url.removeprefix("sqlite:///") or str(DATA_DIR / "tideover.sqlite3"),
        "CONN_MAX_AGE": 60,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        },
    }


DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "tideover.core.sign_in.NotOnlyOneKind"},
]

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = BUSINESS_TIME_ZONE
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
DATA_UPLOAD_MAX_MEMORY_SIZE = 15 * 2**20
"""Bytes of a request's body: a scan or a document of 10 MB in base64, and its JSON."""
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_ROOT = BASE_DIR / "root"
TAPE_DIR = DATA_DIR / "tape"
TAPE_MONTHS = int(os.environ.get("TIDEOVER_TAPE_MONTHS", "25"))
"""Months for which every day's tapes are kept; month ends are kept for good. 0: everything is."""
FONT_DIR = Path(os.environ.get("TIDEOVER_FONTS", BASE_DIR.parents[2] / ".cache" / "fonts"))
TEMPLATE_DIR = os.environ.get("TIDEOVER_TEMPLATES", "")
CORES = dict(part.split("=", 1) for part in os.environ.get("TIDEOVER_CORES", "").split() if "=" in part)
"""Where the core of each entity in overlay takes instructions: code=address, separated by spaces."""
CA_ADDRESS = os.environ.get("TIDEOVER_CA", "").rstrip("/")
CA_TOKEN = os.environ.get("TIDEOVER_CA_TOKEN", "sandbox")
CA_ROOTS = os.environ.get("TIDEOVER_CA_ROOTS", "")
CA_TIMEOUT_S = float(os.environ.get("TIDEOVER_CA_TIMEOUT", "10"))
TSA_ADDRESS = os.environ.get("TIDEOVER_TSA", f"{CA_ADDRESS}/tsa" if CA_ADDRESS else "")

SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
DEBIT_POLICY = os.environ.get("TIDEOVER_DEBIT_POLICY", "")
PAYOFF_POLICY = os.environ.get("TIDEOVER_PAYOFF_POLICY", "")
DEBIT_FOLDER = Path(os.environ.get("TIDEOVER_DEBIT_FOLDER", DATA_DIR / "debits"))
DEBIT_CHANNEL = os.environ.get("TIDEOVER_DEBIT_CHANNEL", "")
DEBIT_BATCH = int(os.environ.get("TIDEOVER_DEBIT_BATCH", "5000"))
BANK_ADDRESS = os.environ.get("TIDEOVER_BANK", "").rstrip("/")
BANK_SECRET = secret("TIDEOVER_BANK_SECRET", "development-only-secret-shared-with-bank") if BANK_ADDRESS else ""
BANK_TIMEOUT_S = float(os.environ.get("TIDEOVER_BANK_TIMEOUT", "10"))
