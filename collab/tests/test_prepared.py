"""A query that is built once answers like one that is built anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from collab import listeners, queries
from collab.live.models import Connection, Node
from collab.live.prepared import Prepared
from collab.models import Document, Heading, Person
from collab.operations import documents
from collab.operations.documents import Content
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


def test_a_key_may_be_asked_for_in_several_ways() -> None:
    """In a union of what is asked by number and what is asked by subject, say."""
    leela = Person.objects.create(username="leela")
    fry = Person.objects.create(username="fry")
    node = Node.objects.create(boot="b", host="h", pid=1)
    for person in (leela, fry):
        subject = subject_of(person.pk)
        Connection.objects.create(node=node, page=person.username, user=fry, subject=subject)

    def about(ids: Sequence[int]) -> QuerySet[Person, tuple[str]]:
        people = Person.objects.filter(pk__in=ids).values_list("username")
        pages = Connection.objects.on(*map(subject_of, ids)).values_list("subject")
        return people.union(pages, all=True)

    prepared = Prepared(about, int, subject_of)
    assert sorted(prepared.rows([leela.pk])) == [(subject_of(leela.pk),), ("leela",)]
    assert len(prepared.rows([leela.pk, fry.pk, -1])) == 4


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


def _whole(ids: Sequence[int]) -> Any:
    """With something before and something behind what belongs to the objects."""
    return Person.objects.extra(select={"first": "1"}).annotate(n=Count("pk")).filter(pk__in=ids)


def test_objects_are_those_that_django_makes(django_assert_num_queries: Any) -> None:
    """In every field, whatever its kind; they know their database, and can be saved."""
    for name in ("amy", "kif", "zapp"):
        Person.objects.create_user(name, password="a long password", is_staff=name == "kif")
    Person.objects.filter(username="amy").update(last_login=Now())
    prepared = Prepared(_whole)
    known = {person.pk: person for person in Person.objects.all()}
    prepared.objects([1])
    with django_assert_num_queries(1):
        found = prepared.objects(list(known))
    assert len(found) == 3
    for person in found:
        for field in Person._meta.concrete_fields:
            here, there = (getattr(one, field.attname) for one in (person, known[person.pk]))
            assert (here, type(here)) == (there, type(there))
        assert person._state.db == "default"
        assert not person._state.adding
    with django_assert_num_queries(0):
        assert prepared.objects([]) == []


PAST, FUTURE = Now() - timedelta(hours=1), Now() + timedelta(hours=1)
#: What is due, as columns of a row that somebody holds; and whether one sweep settles it.
DUE: Mapping[str, tuple[Any, Mapping[str, Any], bool]] = {
    "a pen has run out": (Document, {"expires_at": PAST}, True),
    "a heading's lease has run out": (Heading, {"expires_at": PAST}, True),
    "nobody answers": (Document, {"asked_at": PAST, "active_at": Now()}, False),
    "the holder is idle": (Document, {"asked_at": Now(), "active_at": PAST}, False),
    "the moment is over": (Document, {"asked_at": PAST, "yields_at": PAST}, True),
}


@pytest.mark.parametrize("case", DUE)
def test_a_lease_that_is_due_is_found(leela: Person, fry: Person, case: str) -> None:
    """For whatever reason; and once it is settled, no more."""
    model, columns, is_settled = DUE[case]
    documents.create(leela.pk, Content("Plan", "text"))
    asked_by = fry if "asked_at" in columns else None
    model.objects.update(holder=leela, asked_by=asked_by, active_at=Now(), expires_at=FUTURE)
    assert not queries.is_a_lease_due()
    model.objects.update(**columns)
    assert queries.is_a_lease_due()
    listeners.pass_leases_on()
    assert queries.is_a_lease_due() is not is_settled
