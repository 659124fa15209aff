"""The cast and the stage of all tests."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from asgiref.sync import SyncToAsync
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import connections
from django.test import Client
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings

from collab.live import bus, db, process, rates
from collab.live.process import Process
from collab.models import Document, Person
from collab.operations import documents

# How long an example takes says nothing on a busy machine.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """At the end the database goes, and PostgreSQL lets it go only when nobody is
    connected: neither the thread in which asynchronous tests do their work."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    db.shutdown()


@pytest.fixture(scope="session", autouse=True)
def _own_layer() -> None:
    """Tests that run beside these have the same Redis, and people of the same numbers:
    what happens there is none of theirs."""
    prefix = f"tests-{uuid.uuid4().hex}"
    os.environ["REDIS_PREFIX"] = prefix  # of commands, which are processes of their own
    django_settings.CHANNEL_LAYERS["default"].get("CONFIG", {})["prefix"] = prefix


class OneWindow:
    """The time, as :mod:`collab.live.rates` asks for it in a test: no minute ends between
    what is counted and what is refused for it."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self._now = time.time()

    def time(self) -> float:
        return self._now


@pytest.fixture(autouse=True)
def _stage(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MEDIA_ROOT = tmp_path
    settings.WHITENOISE_AUTOREFRESH = True  # no collected files in tests
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()
    monkeypatch.setattr(rates, "time", OneWindow())
    rates._here.clear()  # noqa: SLF001  (what a process counts for itself)
    # Each test counts for itself, also beside others on the same Redis.
    limits = {**settings.CACHES["limits"], "KEY_PREFIX": uuid.uuid4().hex}
    settings.CACHES = {**settings.CACHES, "limits": limits}


MakePerson = Callable[..., Person]


@pytest.fixture
def make_person(db: None) -> MakePerson:
    def make(username: str, **fields: object) -> Person:
        return Person.objects.create_user(username, password="planet-express", **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def leela(make_person: MakePerson) -> Person:
    return make_person("leela")


@pytest.fixture
def fry(make_person: MakePerson) -> Person:
    return make_person("fry")


@pytest.fixture
def zoidberg(make_person: MakePerson) -> Person:
    """The outsider: he has an account, but it has been deactivated."""
    return make_person("zoidberg", is_active=False)


@pytest.fixture
def document(leela: Person) -> Document:
    """A document that Leela wrote."""
    return documents.create(
        leela.pk, documents.Content(title="Annual plan", text="# One\n\nFirst words.\n")
    )


@pytest.fixture
def as_leela(leela: Person) -> Client:
    return _client(leela)


@pytest.fixture
def as_fry(fry: Person) -> Client:
    return _client(fry)


@pytest.fixture
def stranger() -> Client:
    """Nobody: not signed in."""
    return Client(headers={"host": "127.0.0.1"})


def _client(person: Person) -> Client:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(person)
    return client


@pytest_asyncio.fixture
async def engine(transactional_db: None) -> AsyncIterator[Process]:
    """The live engine, running in the test's event loop."""
    running = await process.current()
    has_heard_the_relay(running)
    yield running
    await process.stop()


def has_heard_the_relay(engine: Process) -> None:
    """What tests without an engine have announced, and the pings after it, are no gap to
    one that starts now."""
    said = bus._relay._outbox  # noqa: SLF001
    engine.bus._inbox.misses(said.publisher, said.sequence)  # noqa: SLF001
