"""Data of earlier states of the database arrive whole in the present one."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F

from collab import queries
from collab.models import Document
from collab.packing import pack

BEFORE = [("collab", "0005_saved_by")]


@pytest.mark.django_db(transaction=True)
def test_titles_and_covers_become_headings() -> None:
    """They move, with the rest of a document as it was."""
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes()
    try:
        # The way back has nothing to keep: the tables are empty.
        executor.migrate(BEFORE)
        old = MigrationExecutor(connection).loader.project_state(BEFORE).apps
        person = old.get_model("collab", "Person").objects.create(username="leela")
        documents = old.get_model("collab", "Document").objects
        for title, cover in (("Plan", "a.webp"), ("Ünïted ☕", "")):
            made = documents.create(
                title=title, cover=cover, text="Words", author=person, changed_by=person, fence=7
            )
            made.revisions.create(version=1, author=person, title=title, packed=pack("Words"))
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(latest)
    found = Document.objects.order_by("pk")
    kept = found.values_list("heading__title", "heading__cover", "text", "fence", "version")
    assert list(kept) == [("Plan", "a.webp", "Words", 7, 1), ("Ünïted ☕", "", "Words", 7, 1)]
    assert not found.filter(heading__holder=F("heading__holder")).exists()
    kept_version = queries.revision(found[0].pk, 1)
    assert kept_version is not None
    assert queries.text_of(kept_version) == "Words"
