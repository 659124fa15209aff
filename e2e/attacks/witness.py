"""Settings with a witness: every request that reaches the application is written down
as it arrives there, whatever becomes of it. What a server or a proxy has made of the
bytes of an attack is then to be read, and need not be guessed from the answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from project.settings import *  # noqa: F403
from project.settings import DATA_DIR, MIDDLEWARE

MIDDLEWARE = [*MIDDLEWARE, "e2e.attacks.witness.witness"]
# The last that is asked first: what other middleware makes of a request counts, too.
MIDDLEWARE.insert(0, MIDDLEWARE.pop())
#: One line of JSON for each request.
RECORD = DATA_DIR / "requests.jsonl"


def witness(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that writes down what has arrived before the answer goes out."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        _write(
            {
                "method": request.method,
                "status": response.status_code,
                "path": request.get_full_path(),
                "address": request.META.get("REMOTE_ADDR"),
                "scheme": request.scheme,
                "host": request.META.get("HTTP_HOST"),
                "prefix": request.META.get("SCRIPT_NAME"),
            }
        )
        return response

    return middleware


def _write(seen: dict[str, Any]) -> None:
    with RECORD.open("a") as record:
        record.write(json.dumps(seen) + "\n")
