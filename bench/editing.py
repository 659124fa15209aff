"""Many people typing at once: how long the server takes to keep a draft."""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from django.conf import settings
from django.db import connection

from collab.models import Draft
from collab.operations import documents

from . import prose
from .browser import Browser, Page, Socket
from .client import Failed
from .figures import Times
from .machine import cores, cpu_seconds, on_core
from .processes import python, running
from .workspace import Visitor, people, prepare, signed_in

TEXT_CHARACTERS = 10_000
#: The page stores what is typed 0.4 s after a pause, and every 2 s at the latest.
PAUSE_SECONDS = (0.4, 2.0)
WARM_UP_SECONDS = 3.0


class Writer:
    """Somebody who types, with the editor open and its socket connected."""

    def __init__(self, visitor: Visitor, document: int, port: int, seed: int) -> None:
        self.document = document
        self.browser = Browser(port, dict([visitor.cookie.split("=", 1)]))
        self.chance = random.Random(seed)
        self.text = prose.text(self.chance, TEXT_CHARACTERS)
        self.form: dict[str, str | int] = {}
        self.socket = Socket()

    async def open(self) -> None:
        """Load the editor, which takes the pen, and connect its socket."""
        page = Page.read(await self.browser.get(f"/documents/{self.document}/edit/"))
        names = ("csrfmiddlewaretoken", "fence", "version", "page")
        self.form = {name: page.fields[name] for name in names}
        await self.socket.open(self.browser, page)

    async def autosave(self) -> None:
        """Type a little, and hand it in.

        Raises:
            Failed: it was not kept, or not under the pen.
        """
        self.text = prose.edited(self.chance, self.text)
        sequence = time.time_ns() // 1_000_000
        form = {**self.form, "sequence": sequence, "text": self.text}
        answer = await self.browser.post(f"/documents/{self.document}/draft/", form)
        if answer.status != 200 or f'data-sequence="{sequence}"' not in answer.body:
            raise Failed(f"A draft was answered {answer.status}: {answer.body[:500]}")

    async def smallest(self) -> None:
        """Ask for the smallest page there is."""
        answer = await self.browser.get("/healthz")
        if answer.status != 200:
            raise Failed(f"/healthz answered {answer.status}.")

    async def close(self) -> None:
        await self.socket.close()
        await self.browser.close()


def measure(options: argparse.Namespace) -> dict[str, Times]:
    """Measure on the database that the settings name.

    Returns:
        The times of the "drafts", of the "smallest" page and of the bare "update".

    Raises:
        Failed: something under test did not work.
    """
    prepare()
    chance = random.Random(0)
    authors = people("writer", options.writers)
    made = [
        documents.create(one.pk, documents.Content("Measured", prose.text(chance, 10_000))).pk
        for one in authors
    ]
    port, (server_core, client_core) = settings.PORT, cores()
    writers = [Writer(signed_in(one), pk, port, pk) for one, pk in zip(authors, made, strict=True)]
    command, log = python("manage.py", "serve", "--port", str(port)), Path(settings.DATA_DIR)
    with (
        running(command, port, core=server_core, log=log / "editing.log") as server,
        on_core(client_core),
    ):
        drafts, smallest = asyncio.run(_typing(writers, options.typing, server.pid))
    if Draft.objects.count() != len(writers):
        raise Failed(f"{Draft.objects.count()} drafts of {len(writers)} people were kept.")
    texts = {draft.text for draft in Draft.objects.all()}
    if texts != {writer.text for writer in writers}:
        raise Failed("A draft is not what was typed last.")
    update = _update(options.typing, len(writers))
    return {"drafts": drafts, "smallest": smallest, "update": update}


async def _typing(writers: Sequence[Writer], seconds: float, pid: int) -> tuple[Times, Times]:
    for writer in writers:
        await writer.open()
    await _series(writers, Writer.autosave, WARM_UP_SECONDS)
    measured = []
    for act in (Writer.smallest, Writer.autosave):
        before = cpu_seconds(pid)
        answers = await _series(writers, act, seconds)
        measured.append(Times(answers, cpu_seconds(pid) - before))
    for writer in writers:
        await writer.close()
    smallest, drafts = measured
    return drafts, smallest


async def _series(
    writers: Sequence[Writer], act: Callable[[Writer], Awaitable[None]], seconds: float
) -> list[float]:
    """What everybody waited, in seconds, one answer after the other."""
    waits = await asyncio.gather(*(_sitting(writer, act, seconds) for writer in writers))
    return [one for person in waits for one in person]


async def _sitting(
    writer: Writer, act: Callable[[Writer], Awaitable[None]], seconds: float
) -> list[float]:
    """Act again and again. One request is under way at a time, as in the page; one
    that is due meanwhile has waited since then."""
    until = time.perf_counter() + seconds
    due = time.perf_counter() + writer.chance.uniform(0, PAUSE_SECONDS[1])
    waited = []
    while due < until:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await act(writer)
        waited.append(time.perf_counter() - due)
        due += writer.chance.uniform(*PAUSE_SECONDS)
    return waited


def _update(seconds: float, writers: int) -> Times:
    """An UPDATE of a draft's text from one connection, as often as all the
    writers together would make one."""
    chance = random.Random(0)
    ids = list(Draft.objects.values_list("pk", flat=True))
    text = prose.text(chance, TEXT_CHARACTERS)
    waited = []
    until = time.perf_counter() + seconds
    with connection.cursor() as cursor:
        while time.perf_counter() < until:
            text = prose.edited(chance, text)
            row = (text, chance.choice(ids))
            began = time.perf_counter()
            cursor.execute("UPDATE collab_draft SET text = %s WHERE id = %s", row)
            waited.append(time.perf_counter() - began)
            time.sleep(sum(PAUSE_SECONDS) / 2 / writers)
    return Times(waited)
