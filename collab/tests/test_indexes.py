"""Each query that is made often finds its rows by an index, on either database.

The tables have enough rows that a missing index shows in the plan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from collab import queries, regions
from collab.live import presence
from collab.live.models import Connection, Node
from collab.live.sessions import person_of
from collab.models import (
    Activity,
    Document,
    Draft,
    Heading,
    Person,
    Reading,
    Revision,
    Share,
    SignIn,
)
from collab.models.sign_in import SessionStore
from collab.operations import editing
from collab.packing import pack
from collab.permissions import readable, readable_keys
from collab.subjects import subject_of

PEOPLE = DOCUMENTS = 2500
#: Pages that are open, on how many documents, in how many processes.
PAGES, OPEN, PROCESSES = 2400, 100, 8
#: Versions, drafts and activities of the one document that is looked at.
LONG = 500

pytestmark = pytest.mark.django_db


@pytest.fixture
def leela() -> Person:
    """One of many people, with one document of many, whose history is long."""
    Person.objects.bulk_create(
        Person(username=f"p{n:05}", display_name=f"P {n:05}", password="!", colour="teal")
        for n in range(PEOPLE)
    )
    people = list(Person.objects.order_by("pk"))
    old = timezone.now() - timedelta(days=40)
    Document.objects.bulk_create(
        Document(
            text="Words. " * 50,
            author=people[n],
            changed_by=people[n],
            created_at=old + timedelta(minutes=n),
            changed_at=old + timedelta(minutes=n),
            trashed_at=old if n % 50 == 7 else None,
            holder=people[n] if n % 100 == 1 else None,
            expires_at=timezone.now() + timedelta(seconds=30) if n % 100 == 1 else None,
            fence=n % 100,
        )
        for n in range(DOCUMENTS)
    )
    Heading.objects.bulk_create(
        Heading(document=one, title=f"Document {one.pk}") for one in Document.objects.order_by()
    )
    Share.objects.bulk_create(
        Share(document=one, person=people[(n + 1) % PEOPLE])
        for n, one in enumerate(Document.objects.order_by("pk"))
    )
    _life(people, list(Document.objects.order_by("pk")))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return people[1]


def _life(people: list[Person], documents: list[Document]) -> None:
    one = documents[1]
    whose = [*documents, *[one] * LONG]
    Activity.objects.bulk_create(
        Activity(document=document, actor=people[n % PEOPLE], verb="saved")
        for n, document in enumerate(whose)
    )
    Draft.objects.bulk_create(
        Draft(document=d, person=people[n % PEOPLE], fence=n, sequence=1, base_version=1, text="x")
        for n, d in enumerate(whose)
    )
    packed = pack("Words.")
    versions = [*((d, 1) for d in documents), *((one, 2 + n) for n in range(LONG))]
    Revision.objects.bulk_create(
        Revision(document=d, version=v, author=people[n % PEOPLE], title="T", packed=packed)
        for n, (d, v) in enumerate(versions)
    )
    Reading.objects.bulk_create(
        Reading(person=people[n % PEOPLE], document=d, version=1) for n, d in enumerate(documents)
    )
    SignIn.objects.bulk_create(
        SignIn(session_key=f"{n:032}", session_data="", expire_date=timezone.now())
        for n in range(PEOPLE)
    )
    nodes = [Node.objects.create(boot=f"{n:032}", host="ship", pid=n + 1) for n in range(PROCESSES)]
    Connection.objects.bulk_create(
        Connection(
            node=nodes[n % PROCESSES],
            page=f"{n:032}",
            user=people[n],
            subject=subject_of(documents[n % OPEN].pk),
            mode="reading",
            serial=n,
            left_at=Now() if n % 200 == 9 else None,
        )
        for n in range(PAGES)
    )


@pytest.fixture
def browser(leela: Person) -> Client:
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(leela)
    client.get("/")  # fills caches, as the first page of a process does
    return client


#: What may read a whole table, and why.
WHOLE = {
    # One row for each server process.
    "live_node",
}
#: One row for each open page: who counts them all must look at all, nobody else.
OPEN_PAGES = "live_connection"


PLANNER = {"enable_hashjoin": "off", "enable_mergejoin": "off", "random_page_cost": "1.1"}
STATEMENTS = ("SELECT", "UPDATE", "DELETE")


def scanned(sql: str) -> Iterator[str]:
    """The tables that a statement reads from one end to the other (or to its LIMIT,
    if it has to sort them first)."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Small tables are joined otherwise, and on slow disks all is read.
            for name, value in PLANNER.items():
                cursor.execute(f"SET LOCAL {name} = {value}")
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            (plan,) = cursor.fetchone()
            yield from _of_postgres(
                (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
            )
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            yield from _of_sqlite(sql, [detail for *_, detail in cursor.fetchall()])


def _of_postgres(node: dict[str, Any], is_limited: bool = False) -> Iterator[str]:
    kind = node["Node Type"]
    is_limited = (is_limited or kind == "Limit") and kind != "Sort"
    by_order = kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node
    if kind == "Seq Scan" or (by_order and not is_limited):
        yield str(node["Relation Name"])
    for inner in node.get("Plans", []):
        yield from _of_postgres(inner, is_limited)


def _of_sqlite(sql: str, plan: Sequence[str]) -> Iterator[str]:
    is_limited = " LIMIT " in sql and "USE TEMP B-TREE FOR ORDER BY" not in plan
    tables = {alias: table for table, alias in re.findall(r'"(\w+)" ([A-Z]\d)\b', sql)}
    for line in plan:
        # Not the values that a statement brings along ("SCAN 20 CONSTANT ROWS").
        scan = re.match(r"SCAN (?!\d)(\w+)", line)
        if scan and scan[1].upper() not in ("CONSTANT", "SUBQUERY") and not is_limited:
            yield str(tables.get(scan[1], scan[1]))


def whole_tables(act: Callable[[], object]) -> list[str]:
    """What an act reads whole and should not: each table with its statement."""
    with CaptureQueriesContext(connection) as captured:
        act()
    made = [query["sql"] for query in captured if query["sql"][:6] in STATEMENTS]
    return [
        f"{table}: {sql}"
        for sql in made
        for table in scanned(sql)
        if table not in WHOLE and not asks_for_all(table, sql)
    ]


#: What narrows a question about open pages: a subject, a process, a person.
NARROWED = re.compile(r'"live_connection"\."\w+" (= (?!"live_node")|IN \()')


def asks_for_all(table: str, sql: str) -> bool:
    """How many documents there are, and the newest; who is here at all: that is the
    question itself."""
    if table == "collab_document":
        return sql.startswith("SELECT COUNT(")
    return table == OPEN_PAGES and sql.startswith("SELECT") and not NARROWED.search(sql)


PAGES_SHOWN = ["/", "/?page=3", "/?sort=created", "/?show=mine", "/active/", "{d}", "{d}edit/"]
PAGES_SHOWN += ["{d}history/", "{d}history/400/", "/trash/"]


def test_pages(leela: Person, browser: Client) -> None:
    """The list of documents, a document, its editor, its history and its versions."""
    document = Document.objects.get(author=leela)
    found: list[str] = []
    for path in PAGES_SHOWN:
        address = path.format(d=f"/documents/{document.pk}/")
        found += whole_tables(lambda: browser.get(address, follow=True))  # noqa: B023
    assert found == []


def test_regions(leela: Person) -> None:
    """What is asked again and again while pages are open. (Where everybody is, is asked of
    all open pages: there is nothing to leave out.)"""
    document = Document.objects.get(author=leela)
    ids = list(Document.objects.order_by("-changed_at").values_list("pk", flat=True)[:50])
    newest = Activity.objects.latest("pk").pk
    hot: dict[str, Callable[[], object]] = {
        "presence: who is here": queries.active_people,
        "presence: who is in a document": lambda: queries.badges([document.pk]),
        "presence: watchers": lambda: queries.watchers(document),
        "badges": lambda: queries.badges(ids),
        "summaries": lambda: queries.summaries(ids),
        "dashboard": lambda: list(queries.document_list(readable(leela), leela)[:50]),
        "permission": lambda: readable_keys(leela, [str(pk) for pk in ids]),
        "activities: feed": lambda: regions.Toasts().entries(newest - 20, 500),
        "activities: newest": regions.Toasts().head,
        "activities: last save": lambda: queries.last_save(document.pk),
        "drafts: of a stay": lambda: queries.being_written(document),
        "drafts: unsaved": lambda: list(queries.unsaved(document.pk, leela.pk)),
        "drafts: begun from": lambda: queries.begun_from(document.pk, leela.pk, 1, "a" * 32, 1),
        "revisions: newest": lambda: list(queries.revisions(document.pk)[:50]),
        "revisions: one": lambda: queries.revision(document.pk, 400),
        "revisions: before": lambda: list(
            Revision.objects.filter(document=document, version__lt=400).order_by("-version")[:1]
        ),
        "space": lambda: queries.bytes_kept(leela.pk),
        "documents written": lambda: queries.documents_written(leela.pk),
        "new documents": lambda: queries.newer_documents(readable(leela), ids[0]),
    }
    found = {name: tables for name, act in hot.items() if (tables := whole_tables(act))}
    assert found == {}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps long texts apart")
def test_documents_are_counted_without_their_texts(leela: Person, browser: Client) -> None:
    """However long they are: an index has all that the question needs."""
    with CaptureQueriesContext(connection) as captured:
        browser.get("/")
    (sql,) = [query["sql"] for query in captured if 'AS "newest"' in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql)
        plan = " ".join(detail for *_, detail in cursor.fetchall())
    assert "collab_document USING COVERING INDEX document_by_access" in plan


def test_housekeeping(leela: Person) -> None:
    """What each process does every half second to ten seconds."""
    document = Document.objects.get(author=leela)
    session = SessionStore()
    session.save()
    node = Node.objects.get(pid=2)
    elsewhere = presence.Presence()
    elsewhere._node = node
    page = presence.Page("f" * 32, leela.pk, subject_of(document.pk), "reading")
    held = [(pk, 1) for pk in Document.objects.held().values_list("pk", flat=True)[:20]]
    hot: dict[str, Callable[[], object]] = {
        "leases: renewal": lambda: editing.renew_all(set(held)),
        "leases: expiry": editing.expire,
        "leases: handover": editing.pass_on,
        "leases: taking": lambda: editing.take(document.pk, leela.pk),
        "sweep": presence.sweep,
        "joining": lambda: presence._write(node, presence.Batch(joins={page.id: (page, 3)})),
        "leaving": lambda: presence._write(node, presence.Batch(leaves=[1, 9])),
        "dismissing": lambda: presence._write(node, presence.Batch(dismissed=[17])),
        "pages elsewhere": lambda: elsewhere.elsewhere(leela.pk, []),
        "session": lambda: person_of(str(session.session_key)),
    }
    found = {name: tables for name, act in hot.items() if (tables := whole_tables(act))}
    assert found == {}


def test_a_persons_space_is_summed_over_indexes(leela: Person) -> None:
    """PostgreSQL needs nothing else for it. SQLite finds the rows by it, and reads them:
    it takes no computed column from an index."""
    with CaptureQueriesContext(connection) as captured:
        queries.bytes_kept(leela.pk)
    plans = []
    for query in captured:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute("SET LOCAL enable_bitmapscan = off")
            explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
            cursor.execute(f"{explain} {query['sql']}")
            plans.append(str(cursor.fetchall()))
    names = ("document_by_author_size", "revision_by_author_size", "draft_by_person_size")
    for name, plan in zip(names, plans, strict=True):
        assert name in plan
        assert "SEARCH" in plan or "Index Only Scan" in plan


def test_a_missing_index_would_show(leela: Person) -> None:
    """No index has a document's excerpt."""
    assert whole_tables(lambda: list(Document.objects.filter(excerpt="none")))
    assert whole_tables(lambda: Draft.objects.filter(sequence=3).update(sequence=4))
