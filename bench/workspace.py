"""The product's side of a measurement: people, documents, pages and changes."""

from __future__ import annotations

import html
import json
import re
import time
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from collab.live import regions
from collab.live.fragments import replaced
from collab.live.pages import Token
from collab.live.topics import changed
from collab.models import Document, Heading, Person, Revision
from collab.models.sign_in import SessionStore
from collab.packing import pack
from collab.queries import Badge
from collab.subjects import pen

BACKEND = "django.contrib.auth.backends.ModelBackend"
TOKEN = re.compile(r'name="page" value="([^"]+)"></form>')
MARK = re.compile(r'name="region" id="[^"]+" value="([^"]+)"')


@dataclass(frozen=True)
class Visitor:
    """Somebody signed in."""

    id: int
    session: str

    @property
    def cookie(self) -> str:
        return f"{settings.SESSION_COOKIE_NAME}={self.session}"


@dataclass(frozen=True)
class Workspace:
    """A filled database.

    Attributes:
        visitors: signed-in people who look at the dashboard.
        editors: others, who take the pen in turn.
        document: the one whose badge changes.
    """

    visitors: Sequence[Visitor]
    editors: Sequence[Person]
    document: int


def build(visitors: int, editors: int, number_of_documents: int) -> Workspace:
    """Migrate an empty database and fill it."""
    prepare()
    readers = people("visitor", visitors)
    authors = people("editor", editors)
    made = add_documents(authors, number_of_documents)
    return Workspace([signed_in(person) for person in readers], authors, made[-1])


def add_documents(authors: Sequence[Person], number: int) -> list[int]:
    """Make documents, as if nobody had changed them since; returns their ids."""
    text = "Text."
    named = [(f"Document {n:05}", authors[n % len(authors)]) for n in range(number)]
    with transaction.atomic():
        made = Document.objects.bulk_create(
            Document(text=text, excerpt=text, author=author, changed_by=author)
            for _, author in named
        )
        Heading.objects.bulk_create(
            Heading(document=document, title=title)
            for document, (title, _) in zip(made, named, strict=True)
        )
        Revision.objects.bulk_create(
            Revision(
                document=document,
                version=1,
                author=author,
                title=title,
                words_added=1,
                packed=pack(text),
            )
            for document, (title, author) in zip(made, named, strict=True)
        )
    return [document.pk for document in made]


def prepare() -> None:
    """Make the tables and collect the static files."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


def people(kind: str, number: int) -> list[Person]:
    """Make people who can sign in only by :func:`signed_in`."""
    named = ((f"{kind}{n:03}", f"{kind.title()} {n:03}") for n in range(number))
    colours = Person.Colour.values
    return Person.objects.bulk_create(
        Person(username=login, display_name=name, password="!", colour=colours[n % len(colours)])
        for n, (login, name) in enumerate(named)
    )


def editors() -> list[Person]:
    """Those who take the pen in turn, as :func:`build` has made them."""
    return list(Person.objects.filter(username__startswith="editor").order_by("pk"))


def signed_in(person: Person) -> Visitor:
    """Begin a session for somebody."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = BACKEND
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return Visitor(person.pk, str(session.session_key))


@dataclass(frozen=True)
class Loaded:
    """A page that was really loaded. Others are made after it, because a thousand
    page loads take a minute.

    Attributes:
        token: what the page says of itself.
        marks: by region, the version it shows.
    """

    token: Token
    marks: Mapping[str, str]

    @classmethod
    def load(cls, port: int, path: str, visitor: Visitor) -> Loaded:
        """Load a page as ``visitor``."""
        address = f"http://127.0.0.1:{port}{path}"
        request = urllib.request.Request(address, headers={"Cookie": visitor.cookie})
        with urllib.request.urlopen(request) as answer:
            page = answer.read().decode()
        found = TOKEN.search(page)
        assert found is not None, "The page has no token."
        token = Token.read(html.unescape(found[1]))
        marks = marks_in(page)
        assert marks.keys() == set(token.regions), "The page's marks are not its regions."
        return cls(token, marks)

    def another(self, visitor: Visitor) -> Token:
        """The token of a page like it, of another person."""
        page = replace(self.token.page, id=uuid.uuid4().hex, user_id=visitor.id)
        return replace(self.token, page=page)

    def resume(self, visitor: Visitor) -> str:
        """The resume message of a page like it, of another person."""
        return resume(self.another(visitor), self.marks)


def marks_in(page: str) -> dict[str, str]:
    """By region, the versions that a page or a frame brings."""
    return dict(html.unescape(mark).split(":", 1) for mark in MARK.findall(page))


def resume(token: Token, marks: Mapping[str, str]) -> str:
    """The message with which a page shows its token and what it has."""
    region = [f"{identifier}:{etag}" for identifier, etag in marks.items()]
    return json.dumps({"page": token.sign(), "region": region})


class Pen:
    """The pen of the measured document, going from editor to editor."""

    def __init__(self, workspace: Workspace) -> None:
        self.document = workspace.document
        self._editors = workspace.editors
        self._holder: Person | None = None
        self._fence = Document.objects.get(pk=workspace.document).fence
        self._turn = 0
        #: The moment the last change was committed and its topic announced.
        self.announced = 0.0

    @property
    def coming(self) -> Person:
        """Who has the next turn."""
        return self._editors[(self._turn + 1) % len(self._editors)]

    def next(self) -> Person:
        """Whose turn it is."""
        person = self.coming
        self._turn += 1
        return person

    def pass_on(self) -> Person:
        """Give it to the next: a change of the database and one topic event.

        By the lease's own rules, but without an activity, so that the badge is
        the only region that changes.
        """
        person = self.next()
        with transaction.atomic():
            transaction.on_commit(self._note)
            if self._holder is not None:
                Document.objects.release(self.document, self._holder.pk, self._fence)
            assert Document.objects.take(self.document, person.pk), "The pen is not free."
            changed(pen(self.document))
        self._holder, self._fence = person, self._fence + 1
        return person

    def put_down(self) -> None:
        """Give it back."""
        if self._holder is not None:
            Document.objects.release(self.document, self._holder.pk, self._fence)

    def _note(self) -> None:
        self.announced = time.perf_counter()


def fragment(document: int, person: Person) -> tuple[str, str]:
    """What a socket gets when ``person`` begins to edit: the text, and its ETag."""
    region = regions.get("lock_badge")
    assert isinstance(region, regions.Region)
    context = {"badge": Badge(document, person), "named": [person], "more": 0}
    rendering = region.render(str(document), context, settings.LANGUAGE_CODE, None)
    return replaced(badge_id(document), rendering), rendering.etag


def badge_id(document: int) -> str:
    """The id of a document's badge on the page."""
    return regions.region_id("lock_badge", str(document))


def dashboard_queries(visitor: Visitor) -> int:
    """How many queries the dashboard page makes."""
    browser = Client(SERVER_NAME="127.0.0.1")
    browser.cookies[settings.SESSION_COOKIE_NAME] = visitor.session
    browser.get("/")  # fills caches, as the first page of a process does
    with CaptureQueriesContext(connection) as queries:
        answer = browser.get("/")
    assert answer.status_code == 200, answer.status_code
    return len(queries)


def documents_there() -> int:
    """How many documents the database has."""
    return Document.objects.count()
