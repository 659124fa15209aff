"""Documents to take away."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from weakref import WeakSet

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from .. import exporting
from ..errors import TooManyAtOnce
from ..live.rates import note_refusal
from ..permissions import readable, readable_document
from .limits import READS, limited, refusal
from .requests import PersonRequest

#: A process sends a person so many archives at a time: each holds a thread and, with
#: PostgreSQL, a connection of the pool for as long as it is read.
MOST_AT_ONCE = 2


class Sent(StreamingHttpResponse):
    """An archive on its way to somebody, until it is closed or forgotten."""

    _under_way: WeakSet[Sent] = WeakSet()
    _lock = threading.Lock()

    def __init__(self, parts: Any, person_id: int, **options: Any) -> None:
        """
        Raises:
            TooManyAtOnce: the person is being sent some already.
        """
        super().__init__(parts, **options)
        self.person_id = person_id
        with self._lock:
            theirs = [one for one in self._under_way if one.person_id == person_id]
            if sum(not one.closed for one in theirs) >= MOST_AT_ONCE:
                note_refusal("archives")
                raise TooManyAtOnce
            self._under_way.add(self)


@limited("exports", READS)
@require_GET
def markdown(request: PersonRequest, pk: int) -> HttpResponse:
    """One document as a Markdown file."""
    document = readable_document(request.user, pk)
    headers = _to_keep(f"{document.slug}.md", "text/markdown; charset=utf-8")
    return HttpResponse(exporting.markdown(document), headers=headers)


@limited("exports", READS)
@require_GET
def page(request: PersonRequest, pk: int) -> HttpResponse:
    """One document as an HTML file that stands by itself."""
    document = readable_document(request.user, pk)
    headers = _to_keep(f"{document.slug}.html", "text/html; charset=utf-8")
    return HttpResponse(exporting.page(document), headers=headers)


@limited("archives", READS)
@require_GET
def everything(request: PersonRequest) -> HttpResponseBase:
    """All documents the person may read, in one archive that is made while it is
    sent. Its length is known before, so that the browser can show how far it is."""
    archive = exporting.archive(readable(request.user))
    parts = exporting.in_parts(archive)
    # Django would gather an iterator of the wrong kind in memory, whole.
    sent = _from_thread(parts) if isinstance(request, ASGIRequest) else parts
    headers = _to_keep(f"{_('documents')}.zip", "application/zip")
    headers["Content-Length"] = str(len(archive))
    try:
        return Sent(sent, request.user.pk, headers=headers)
    except TooManyAtOnce as error:
        return refusal(request, error)


def _to_keep(name: str, content_type: str) -> dict[str, str]:
    """The headers of a file that is stored and not shown (RFC 6266)."""
    disposition = content_disposition_header(as_attachment=True, filename=name)
    return {
        "Content-Type": content_type,
        "Content-Disposition": str(disposition),
        "Cache-Control": "private, no-store",
    }


async def _from_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Each part is made in the request's thread when the one before has been sent."""
    next_part = sync_to_async(partial(next, parts, None))
    while (part := await next_part()) is not None:
        yield part
