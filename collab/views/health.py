"""Is this process fit to serve?"""

from __future__ import annotations

import json
import logging
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from .limits import limited

logger = logging.getLogger(__name__)

#: Of a report, what is logged, and how much of each.
REPORTED = ("document-uri", "violated-directive", "blocked-uri", "source-file", "line-number")
REPORT_BYTES, REPORTED_CHARACTERS = 10_000, 200


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers, else 503. For load balancers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return JsonResponse({"status": "no database"}, status=503)
    return JsonResponse({"status": "ok"})


@limited("reports")
@csrf_exempt  # the browser sends it, without a form
@login_not_required
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """What a browser has refused to load or run on one of our pages (the report of the
    Content Security Policy, https://www.w3.org/TR/CSP3/#reporting). It is logged: either
    a page of ours is wrong, or somebody tries something."""
    try:
        report: Any = json.loads(request.read(REPORT_BYTES)).get("csp-report")
        known = {
            name: str(report[name])[:REPORTED_CHARACTERS] for name in REPORTED if name in report
        }
    except (ValueError, AttributeError, TypeError, RecursionError):
        return HttpResponse(status=400)
    logger.warning("csp: %s", json.dumps(known))
    return HttpResponse(status=204)
