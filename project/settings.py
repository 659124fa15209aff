"""Settings, all from the environment; the README has the table.

Without any, this is a safe production set-up that refuses to start until it has
a secret key. ``make run`` sets ``DEMO``, which brings its own key and people.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from . import event_loop, logs

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

#: Everything that is written at run time lies here, outside the code.
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data")))
DATA_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=False)
DEMO = env.bool("DEMO", default=False)
PORT = env.int("PORT", default=8000)


def _secret_key() -> str:
    """The configured key; a demo makes and keeps one of its own."""
    key = str(env.str("SECRET_KEY", default=""))
    if key:
        return key
    if not (DEMO or DEBUG):
        raise ImproperlyConfigured(
            "Set SECRET_KEY to a long random text: it signs sessions and page tokens. "
            "(python -c 'import secrets; print(secrets.token_urlsafe(50))' makes one.)"
        )
    kept = DATA_DIR / "secret_key"
    if not kept.exists():
        kept.touch(0o600)
        kept.write_text(secrets.token_urlsafe(50))
    return kept.read_text()


SECRET_KEY = _secret_key()

# -- Where it lives ------------------------------------------------------------

#: Exact origins (scheme, host, port) pages are served from; sockets accept no other.
#: The first is where links in mails lead.
ORIGINS = env.list("ORIGINS", default=[f"http://127.0.0.1:{PORT}", f"http://localhost:{PORT}"])
LIVE_ORIGINS = ORIGINS
CSRF_TRUSTED_ORIGINS = ORIGINS
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
SECURE = all(origin.startswith("https://") for origin in ORIGINS)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_SSL_REDIRECT = SECURE and env.bool("SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # load balancers ask without TLS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000 if SECURE else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
#: Only behind a proxy that sets X-Forwarded-Proto and X-Forwarded-For itself, as
#: deploy/nginx.conf does.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

#: What ``manage.py serve`` runs on; chosen before Daphne, an app, is loaded.
EVENT_LOOP = env.str("EVENT_LOOP", default=event_loop.ASYNCIO)
event_loop.choose(EVENT_LOOP)

# -- What it is made of --------------------------------------------------------

INSTALLED_APPS = [
    "daphne",  # before staticfiles: it brings the ASGI runserver
    "collab.apps.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "django_htmx",
    "channels",
    "csp",
    "axes",
    "collab.live",
    "collab",
]

MIDDLEWARE = [
    "project.logs.Requests",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "collab.middleware.headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "collab.middleware.long_texts_in_turn",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "collab.middleware.LoginRequired",
    "collab.middleware.person_language",
    "collab.middleware.Trash",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
WSGI_APPLICATION = "project.wsgi.application"
CSRF_FAILURE_VIEW = "collab.views.errors.csrf_failure"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["collab.live.templatetags.live"],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# -- Where it keeps things -----------------------------------------------------

#: Nothing that is asked for a page needs long, and a stuck query must not hold a
#: thread. 0 means no limit: manage.py sets that for all but the server.
STATEMENT_SECONDS = env.float("STATEMENT_SECONDS", default=15.0)
DATABASES: dict[str, Any] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'collab.sqlite3'}")
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["ENGINE"] = "project.sqlite"
    # IMMEDIATE: a transaction that reads and then writes must not find the
    # database locked in between. WAL: readers never wait for the writer. No mmap_size: a
    # connection throws its map away whenever another has written, and for a badge that is
    # read after each change, making it anew takes longer than it saves.
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "statement_seconds": STATEMENT_SECONDS,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
            "PRAGMA journal_size_limit=67108864;"
        ),
    }
    # Each thread keeps its connection, with what SQLite has read and prepared.
    _database["CONN_MAX_AGE"] = None
    _database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # Asked before each request whether it still lives: PostgreSQL may have been restarted.
    _database["CONN_HEALTH_CHECKS"] = True
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),  # such as sslmode, from the URL
        "pool": {"min_size": 2, "max_size": env.int("DATABASE_POOL", default=16), "timeout": 10},
        "options": f"-c statement_timeout={STATEMENT_SECONDS * 1000:.0f}",
        # A host that does not answer any more must not hold a thread, either (seconds
        # and milliseconds).
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="")
CHANNEL_LAYERS: dict[str, Any]
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            # By pubsub, and not channels_redis.core: that drops messages of a burst, silently.
            "BACKEND": "project.layers.ChannelLayer",
            "CONFIG": {
                "hosts": [
                    # Explicit, because the client's defaults end idle connections.
                    {"address": REDIS_URL, "socket_connect_timeout": 2, "socket_timeout": None}
                ],
                "prefix": env.str("REDIS_PREFIX", default="collab"),
            },
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

#: Rendered texts. In the process's memory, so that pages go on without Redis; they
#: are keyed by their content, so processes cannot disagree.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 1000},
    },
    # What limits count (collab.live.rates): for all processes together, or in the one
    # that there is. A Redis that hangs holds nobody up for long.
    "limits": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": env.str("REDIS_PREFIX", default="collab"),
        "OPTIONS": {"socket_connect_timeout": 0.25, "socket_timeout": 0.25},
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "limits",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
}

MEDIA_ROOT = DATA_DIR / "media"
MEDIA_URL = "/covers/"
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
#: A text of 200 KB, typed in any script and encoded for a form, with room to say
#: "too long" in the form instead of refusing the request.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

# -- People --------------------------------------------------------------------

AUTH_USER_MODEL = "collab.Person"
SESSION_ENGINE = "collab.models.sign_in"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # asks whether there were too many tries
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "project.hashers.Argon2InTurn",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",  # from before; renewed at the next sign-in
]
#: So many wrong passwords for one account from one address (of IPv6, one network), then
#: a pause.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "project.addresses.guessed_from"
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # collab.models.SecurityEvent has it
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_TEMPLATE = "people/locked.html"
AXES_VERBOSE = False
_OWN_WORDS = ("username", "display_name", "email", "first_name", "last_name")
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {"user_attributes": _OWN_WORDS}),
        # OWASP ASVS 5.0, 6.2.1 asks for eight at least, and recommends more.
        ("MinimumLengthValidator", {"min_length": 10}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="collab@localhost")

# -- Language and time ---------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("it", _("Italian"))]
LOCALE_PATHS = [BASE_DIR / "collab" / "locale"]
FORMAT_MODULE_PATH = "collab.formats"
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True

# -- Headers -------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "connect-src": ["'self'", *(origin.replace("http", "ws", 1) for origin in ORIGINS)],
        "img-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "report-uri": ["/csp-report/"],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

#: Prometheus shows it to read /metrics.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# -- The live engine -----------------------------------------------------------

#: Overrides of collab.live.conf, for tests and unusual networks.
LIVE: dict[str, Any] = {"processes": env.int("PROCESSES", default=1), "rates_cache": "limits"}
for _name in ("leave_grace_seconds", "node_timeout_seconds", "heartbeat_seconds", "tick_seconds"):
    if _value := env.float(f"LIVE_{_name.upper()}", default=0.0):
        LIVE[_name] = _value


def _limits() -> dict[str, int]:
    """Names and numbers, as in ``saves_per_minute=60,sockets_per_person=20``."""
    given = [one.partition("=") for one in env.list("LIMITS", default=[])]
    if wrong := [name for name, _, number in given if not number.strip().isdecimal()]:
        raise ImproperlyConfigured(f"LIMITS needs a number for each name, as in {wrong[0]}=60.")
    return {name.strip(): int(number) for name, _, number in given}


#: Overrides of collab.limits, and of the engine's own (collab.live.conf).
LIMITS = _limits()
for _name in ("sockets_per_person", "socket_opens_per_minute", "stranger_opens_per_minute"):
    if _name in LIMITS:  # those of the engine
        LIVE[_name] = LIMITS.pop(_name)

LOG_FORMAT = env.str("LOG_FORMAT", default=logs.TEXT)
try:
    LOGGING = logs.config(LOG_FORMAT, env.str("LOG_LEVEL", default="INFO"))
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from error
