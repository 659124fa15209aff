"""What is logged of a request, and in which form a line of the log is written.

Every line that is written while a request is answered carries the request's id, the
number of the person and of the document, and the path; with ``LOG_FORMAT=json`` as
fields, for machines. Names, texts and secrets stay out of it: of a path, only the
numbers are kept (a link's secret is a part of its path), and nothing of its query.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch
from pythonjsonlogger.json import JsonFormatter

logger = logging.getLogger("collab.requests")

#: What ``LOG_FORMAT`` may say.
TEXT: Final = "text"
JSON: Final = "json"
#: Given by the proxy, sent back to the client, and in each line.
HEADER = "X-Request-ID"
#: nginx's ``$request_id`` has 32 characters, a UUID 36.
ID = re.compile(r"[\w-]{8,64}", re.ASCII)
#: Controls (C0, C1), what separates lines or turns their direction, lone surrogates.
UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
#: Asked for by machines, again and again, or by every page: only at level DEBUG.
QUIET = ("/static/…", "/healthz", "/metrics")


@dataclass
class Answering:
    """A request under way, as far as the log may know it."""

    id: str
    method: str
    #: Without what may be secret, see :func:`known_path`.
    path: str
    #: Primary keys, once they are known.
    person: int | None = None
    document: int | None = None


_answering: ContextVar[Answering | None] = ContextVar("answering", default=None)


class Requests:
    """Middleware, the outermost: gives each request an id, and logs its answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        answering = Answering(id_of(request), request.method or "", known_path(request.path, None))
        token = _answering.set(answering)
        try:
            response = self.get_response(request)
            response.headers[HEADER] = answering.id
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            level = logging.DEBUG if answering.path in QUIET else logging.INFO
            of_answer = {"status": response.status_code, "duration_ms": milliseconds}
            line = "%(method)s %(path)s %(status)d, %(duration_ms).0f ms"
            facts = {"method": answering.method, "path": answering.path, **of_answer}
            logger.log(level, line, facts, extra=of_answer)
            return response
        finally:
            _answering.reset(token)

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: Mapping[str, Any]
    ) -> None:
        """The address and the person are known by now (``person_language`` has asked)."""
        answering = _answering.get()
        if answering is None or request.resolver_match is None:
            return
        answering.path = known_path(request.path, request.resolver_match)
        if request.resolver_match.route.startswith("documents/"):
            answering.document = kwargs.get("pk")
        if request.user.is_authenticated:
            answering.person = request.user.pk


def id_of(request: HttpRequest) -> str:
    """The id that a trusted proxy gave, or a new one. Anybody else could choose the
    id of another request, or write whatever they like into the log."""
    given = request.headers.get(HEADER, "")
    return given if settings.BEHIND_PROXY and ID.fullmatch(given) else uuid.uuid4().hex


def known_path(path: str, match: ResolverMatch | None) -> str:
    """As much of a path as may be known to whoever reads the log: what the address
    itself says, and numbers. Of one that leads nowhere, only the beginning.

    Args:
        path: of the request.
        match: what it leads to, if that is known.
    """
    if match is None:
        first, slash, rest = path.removeprefix("/").partition("/")
        return f"/{first}{slash}{'…' if rest else ''}"
    known = {name: value for name, value in match.kwargs.items() if isinstance(value, int)}
    return "/" + re.sub(
        r"<(?:\w+:)?(\w+)>", lambda found: str(known.get(found[1], f"<{found[1]}>")), match.route
    )


class AboutRequest(logging.Filter):
    """Adds what is known of the request under way; lets everything through."""

    def filter(self, record: logging.LogRecord) -> bool:
        answering = _answering.get()
        record.of_request = f" [{answering.id}]" if answering else ""
        if answering:
            record.request_id, record.method = answering.id, answering.method
            record.path, record.person = answering.path, answering.person
            record.document = answering.document
        # Django's own lines have the path, secrets included.
        request = getattr(record, "request", None)
        if answering and isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            record.args = tuple(
                answering.path if value == request.path else value for value in record.args
            )
        return True


class Plain(logging.Formatter):
    """A line for people. What somebody sent may be in it: it can neither begin a line of
    its own nor speak to the terminal, nor turn what follows around."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, before a trace that belongs to it (whose lines are indented by one
        sign, so that none looks like another record)."""
        return UNPRINTABLE.sub(_escaped, super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        line, *trace = super().format(record).split("\n")
        return "\n ".join([line, *(UNPRINTABLE.sub(_escaped, one) for one in trace)])


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class Lines(JsonFormatter):
    """A JSON object per line, with these fields and no others: libraries add to their
    records what they like, the whole request for instance."""

    #: By the record's attribute, the name of the field.
    FIELDS = {
        "levelname": "level",
        "name": "logger",
        "process": "process",
        "message": "message",
        "request_id": "request",
        "person": "person",
        "document": "document",
        "method": "method",
        "path": "path",
        "status": "status",
        "duration_ms": "duration_ms",
        "exc_info": "exception",
    }

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        told = {**vars(record), "exc_info": None, **message_dict}
        for attribute, field in self.FIELDS.items():
            if (value := told.get(attribute)) is not None:
                log_data[field] = value


def config(written_as: str, level: str) -> dict[str, Any]:
    """The ``LOGGING`` setting.

    Args:
        written_as: ``text``, for people, or ``json``.
        level: of what is written at all.

    Raises:
        ValueError: there is no such form.
    """
    if written_as not in {TEXT, JSON}:
        raise ValueError(f"LOG_FORMAT is {TEXT} or {JSON}, not {written_as!r}.")
    plain = "%(asctime)s %(levelname)s %(name)s %(message)s%(of_request)s"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"about_request": {"()": "project.logs.AboutRequest"}},
        "formatters": {
            TEXT: {"()": "project.logs.Plain", "fmt": plain},
            JSON: {"()": "project.logs.Lines"},
        },
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": written_as,
                "filters": ["about_request"],
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # The sign-ins and refusals that it tells, with names, are in SecurityEvent.
            "axes": {"level": "ERROR"},
            "daphne": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
        },
    }
