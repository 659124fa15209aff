"""A query that is built once answers like one that is built anew."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db.models import QuerySet

from collab.live.models import Connection, Node
from collab.models import Person
from collab.prepared import Prepared
from collab.subjects import subject_of

pytestmark = pytest.mark.django_db


def _named(ids: Sequence[int]) -> QuerySet[Person, tuple[int, str]]:
    return Person.objects.filter(pk__in=ids, is_active=True).values_list("pk", "username")


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 8])
def test_every_number_of_keys_finds_its_rows(number: int) -> None:
    """Sizes are rounded up within, and no row comes twice for that."""
    people = [Person.objects.create(username=f"person{n}") for n in range(8)]
    wanted = [person.pk for person in people[:number]]
    assert sorted(Prepared(_named).rows(wanted)) == sorted(_named(wanted))


def test_it_is_built_once_for_all_keys_of_a_size() -> None:
    """That is what it is for; and each answer is about the keys of its own call."""
    first, second = (Person.objects.create(username=name) for name in ("amy", "kif"))
    built = []

    def build(ids: Sequence[int]) -> QuerySet[Person, tuple[int, str]]:
        built.append(ids)
        return _named(ids)

    prepared = Prepared(build)
    assert prepared.rows([first.pk]) == [(first.pk, "amy")]
    assert prepared.rows([second.pk]) == [(second.pk, "kif")]
    assert len(built) == 1


def test_other_durations_are_another_query(settings: object) -> None:
    """The engine's durations stand in the SQL; a project may set them anew."""
    leela = Person.objects.create(username="leela")
    node = Node.objects.create(boot="b", host="h", pid=1)
    Connection.objects.create(node=node, page="p", user=leela, subject=subject_of(7))

    def here(ids: Sequence[int]) -> QuerySet[Connection, tuple[str]]:
        subjects = [subject_of(pk) for pk in ids]
        return Connection.objects.live().on(*subjects).values_list("subject")

    prepared = Prepared(here, subject_of)
    assert prepared.rows([7]) == [("document:7",)]
    settings.LIVE = {"node_timeout_seconds": -60.0}  # type: ignore[attr-defined]
    assert not prepared.rows([7])


def test_a_query_without_keys_is_built_once_too() -> None:
    """Its rows are those of each moment."""
    built = []

    def everybody(ids: Sequence[int]) -> QuerySet[Person, tuple[str]]:
        built.append(ids)
        return Person.objects.order_by("username").values_list("username")

    prepared = Prepared(everybody)
    assert not prepared.all()
    for name in ("kif", "amy"):
        Person.objects.create(username=name)
    assert prepared.all() == [("amy",), ("kif",)]
    assert len(built) == 1
