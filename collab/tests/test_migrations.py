"""Data of every earlier state of the database arrive whole in the present one.

The states, the tables and the values are found from the migrations themselves, so
that the next one is tested as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps.registry import Apps
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from collab import queries
from collab.models import Document, Revision
from collab.packing import pack

pytestmark = pytest.mark.django_db(transaction=True)

OURS = ("collab", "live")
#: Columns that are somewhere else now: the table, the column that has the old row's
#: key, and the column with the value.
MOVED = {
    ("collab_document", "title"): ("collab_heading", "document_id", "title"),
    ("collab_document", "cover"): ("collab_heading", "document_id", "cover"),
}
#: Columns whose values were given up on purpose: drafts are texts, and titles are
#: saved by themselves.
GIVEN_UP = {("collab_draft", "title")}

Node = tuple[str, str]
#: The values of one row, by column; and rows by their primary key.
Row = Mapping[str, Any]
Rows = Mapping[Any, Row]


def earlier_states() -> Iterator[Node]:
    """Every migration of ours that is not the last of its app: the database as it
    was after it."""
    graph = MigrationLoader(None).graph
    last = {node for app in OURS for node in graph.leaf_nodes(app)}
    yield from sorted(node for node in graph.nodes if node[0] in OURS and node not in last)


@contextmanager
def as_it_was(state: Node) -> Iterator[Apps]:
    """The (empty) database in an earlier state, with its models; brought up to date at
    the end, which is the migration under test."""
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    try:
        executor.migrate([state])
        loader = MigrationExecutor(connection).loader
        applied = [node for node in loader.graph.nodes if node in loader.applied_migrations]
        yield loader.project_state(applied).apps
    finally:
        MigrationExecutor(connection).migrate(latest)


class Filler:
    """Makes rows that are all different, for models as they were."""

    def __init__(self, apps: Apps) -> None:
        self._apps = apps
        self._made: dict[tuple[str, int], models.Model] = {}

    def fill(self) -> None:
        """Two rows into every table of ours, the tables between them included."""
        for app in OURS:
            for model in self._apps.get_app_config(app).get_models():
                for number in (1, 2):
                    self._row(model, number)

    def _row(self, model: Any, number: int) -> models.Model:
        key = (model._meta.label, number)
        if key not in self._made:
            values = {
                field.name: self._value(field, number)
                for field in model._meta.concrete_fields
                if not isinstance(field, models.AutoField)
            }
            made = self._made[key] = model._base_manager.create(**values)
            for field in model._meta.many_to_many:
                getattr(made, field.name).add(self._row(field.related_model, number))
        return self._made[key]

    def _value(self, field: Any, number: int) -> Any:
        if field.is_relation:
            return self._row(field.related_model, number)
        if field.choices:
            return field.choices[number % len(field.choices)][0]
        kind = field.get_internal_type()
        text = f"{field.name} {number} ☕"
        made: dict[str, Any] = {
            "BinaryField": pack(text),
            "BooleanField": number == 2,
            "CharField": text[: field.max_length],
            "DateTimeField": datetime(2026, 1, number, 12, 30, 15, 123456, tzinfo=UTC),
            "GenericIPAddressField": f"192.0.2.{number}",
            "JSONField": {"number": number, "text": "☕"},
            "TextField": f"{text}\n\nÜnïted ☕ * {number}\n",
        }
        return number if "Integer" in kind else made[kind]


def stored() -> Mapping[str, Rows]:
    """Every row of every table of ours, as the database has it."""
    found: dict[str, Rows] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.partition("_")[0] in OURS:
                key = connection.introspection.get_primary_key_column(cursor, table)
                cursor.execute(f'SELECT * FROM "{table}"')
                names = [column[0] for column in cursor.description]
                rows = [dict(zip(names, map(_plain, row), strict=True)) for row in cursor]
                found[table] = {row[key]: row for row in rows}
    return found


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def lost(before: Mapping[str, Rows], after: Mapping[str, Rows]) -> Iterator[str]:
    """What is in no place where it should be, in words."""
    for table, rows in before.items():
        for key, row in rows.items():
            for column, value in row.items():
                if (table, column) in GIVEN_UP and column not in _columns(after, table):
                    continue
                if _found(after, table, key, column) != value:
                    yield f"{table} {key}: {column} was {value!r}"


def _columns(tables: Mapping[str, Rows], table: str) -> set[str]:
    return {column for row in tables.get(table, {}).values() for column in row}


def _found(after: Mapping[str, Rows], table: str, key: Any, column: str) -> Any:
    if column in _columns(after, table) or (table, column) not in MOVED:
        return after.get(table, {}).get(key, {}).get(column, "nothing")
    to, reference, name = MOVED[table, column]
    found = [row[name] for row in after[to].values() if row[reference] == key]
    return found[0] if len(found) == 1 else found


@pytest.mark.parametrize("state", list(earlier_states()), ids="-".join)
def test_every_row_of_an_earlier_state_arrives(state: Node) -> None:
    """With every value of every column, wherever that is now; and the rows can be
    read and written by the present program."""
    with as_it_was(state) as apps:
        Filler(apps).fill()
        before = stored()
    assert all(len(rows) == 2 for rows in before.values())
    assert len(before) > 5
    after = stored()
    assert list(lost(before, after)) == []
    for document in Document.objects.all():
        assert document.heading.title.startswith("title ")
        document.save()


def test_what_is_lost_is_noticed() -> None:
    """A row, a column, a value, and a value that did not arrive where it was moved to."""
    before: dict[str, Rows] = {"collab_document": {1: {"id": 1, "title": "A", "text": "B"}}}
    moved: dict[str, Rows] = {
        "collab_document": {1: {"id": 1, "text": "B"}},
        "collab_heading": {1: {"document_id": 1, "title": "A"}},
    }
    assert list(lost(before, moved)) == []
    assert len(list(lost(before, {**moved, "collab_document": {}}))) == 2
    faults: list[dict[str, Rows]] = [
        {"collab_document": {1: {"id": 1}}},
        {"collab_document": {1: {"id": 1, "text": "C"}}},
        {"collab_heading": {}},
        {"collab_heading": {1: {"document_id": 1, "title": "C"}}},
    ]
    for after in ({**moved, **fault} for fault in faults):
        assert len(list(lost(before, after))) == 1


def test_the_present_text_becomes_the_first_version() -> None:
    """Before there were revisions, a document had its present text only."""
    with as_it_was(("collab", "0001_initial")) as apps:
        Filler(apps).fill()
    for document in Document.objects.all():
        version = queries.revision(document.pk, document.version)
        assert version is not None
        assert queries.text_of(version) == document.text
        assert (version.title, version.cover) == (document.title, document.cover)
        assert version.author == document.changed_by
    assert Revision.objects.count() == 2


def test_headings_are_nobodys_at_first() -> None:
    """Whoever held the pen does not hold the title."""
    with as_it_was(("collab", "0005_saved_by")) as apps:
        Filler(apps).fill()
    headings = [document.heading for document in Document.objects.all()]
    assert [(h.holder, h.fence, h.version) for h in headings] == [(None, 0, 1)] * 2
    assert Document.objects.filter(holder__isnull=False).count() == 2
