"""Many editors that are open while nobody types: what they cost the server."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from collab.live.conf import conf
from collab.live.pages import Token, admitted
from collab.live.regions import parse_id, region_id
from collab.models import Document
from collab.subjects import Claim, subject_of

from . import ways, workspace
from .client import Clients, Reader
from .machine import cores, cpu_seconds, on_core
from .results import Section

#: Long enough for pings to every page, six renewals of all leases, and for all sessions
#: to be looked at once (``session_check_seconds``).
WATCHED_SECONDS = 60.0
#: All have been sent what they need when nothing has come for so long.
SETTLING_SECONDS = 3.0


def measure(options: argparse.Namespace) -> Section:
    """Measure.

    Raises:
        Failed: something under test did not work.
        AssertionError: an editor has lost its pen.
    """
    number = options.sockets
    filled = workspace.build(number, 1, number)
    documents = sorted(Document.objects.values_list("pk", flat=True))
    server_core, client_core = cores()
    port, clients = settings.PORT, Clients(Reader(), b"")
    with (
        ways.product(server_core, port, Path(settings.DATA_DIR)) as server,
        on_core(client_core),
    ):
        first, *others = zip(filled.visitors, documents, strict=True)
        loaded = workspace.Loaded.load(port, f"/documents/{first[1]}/edit/", first[0])
        tokens = {first[0]: loaded.token}
        pages = [(first[0], workspace.resume(loaded.token, loaded.marks))]
        for visitor, document in others:
            assert Document.objects.take(document, visitor.id)
            token = _editor(loaded, visitor, document)
            tokens[visitor] = token
            pages.append((visitor, workspace.resume(token, {})))
        ways.enter(clients, port, pages)
        clients.quieten(SETTLING_SECONDS)
        before = cpu_seconds(server.pid)
        clients.reader.idle(WATCHED_SECONDS)
        used = cpu_seconds(server.pid) - before
        clients.close()
        held = Document.objects.held().count()
    assert held == number, f"{held} of {number} editors have their pen."
    rights = _cost_of_rights(tokens)
    every = conf().rights_check_seconds
    percent = (used / WATCHED_SECONDS + rights / every) * 100
    body = f"""{number:,} editors are open, each of another person, each with the pen of another
document; nobody types. The server's CPU: **{percent:.1f} % of a core**. That is what it took in
{WATCHED_SECONDS:.0f} s, with the pings of all sockets, the heartbeat, the renewal of all leases and
a look at all sessions; and, of what is done only every {every:.0f} s, the share of a second: to ask
for the rights of all takes {rights:.1f} s. At the end every editor has its pen.
"""
    figures = {"editors": number, "cpu_percent": percent, "rights_seconds": rights}
    return Section("Idle editors", body, figures=figures)


def _cost_of_rights(tokens: Mapping[workspace.Visitor, Token]) -> float:
    """How long it takes to ask for the rights of all these pages, in seconds of CPU."""
    began = time.thread_time()
    for visitor, token in tokens.items():
        user, *_ = admitted(visitor.session, token.regions, [token.page])
        assert user, "An editor's session has ended."
    return time.thread_time() - began


def _editor(loaded: workspace.Loaded, visitor: workspace.Visitor, document: int) -> Token:
    """The token of an editor like ``loaded``, of another document."""
    token = loaded.another(visitor)
    old = token.page.subject.partition(":")[2]
    page = replace(token.page, subject=subject_of(document), claim=str(Claim(pen=1)))
    assert token.page.claim == page.claim, "The pen was not taken for the first time."
    return replace(token, page=page, regions=tuple(_of(i, old, document) for i in token.regions))


def _of(identifier: str, old: str, document: int) -> str:
    """A region of the one document's editor, as the other's has it."""
    name, key = parse_id(identifier)
    pk, *rest = key.split("_")
    return region_id(name, "_".join([str(document), *rest])) if pk == old else identifier
