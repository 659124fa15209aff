"""Every live region: push equals reload, and outsiders receive nothing.

Both tables are checked against the registry, so a new region without a row here
fails the suite.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.db import models
from django.db.models.functions import Now
from django.test import override_settings
from django.utils import timezone

from collab.live import bus, process, regions
from collab.live.pages import live_page, permitted
from collab.live.process import Process
from collab.live.regions import Feed, Region
from collab.live.testing import visit
from collab.models import Activity, Document, Heading, Person
from collab.operations import activity, documents, drafts, editing, headings, people
from collab.operations.documents import Content

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[Document, Person], Awaitable[None]]

take = sync_to_async(editing.take)


async def edits(document: Document, fry: Person) -> None:
    assert await take(document.pk, fry.pk)


async def saves(document: Document, fry: Person) -> None:
    fence = await take(document.pk, fry.pk)
    assert fence
    new = "## New\n\nNew words."
    await sync_to_async(documents.save)(document.pk, fry.pk, new, fence=fence, version=1)
    await sync_to_async(editing.release)(document.pk, fry.pk, fence)


async def seizes(document: Document, fry: Person) -> None:
    """At once, or, if the holder's page is known to be here, after its moment."""
    await sync_to_async(editing.seize)(document.pk, fry.pk, "because")


async def renames(document: Document, fry: Person) -> None:
    fence = await sync_to_async(headings.take)(document.pk, fry.pk)
    assert fence
    change = sync_to_async(headings.change)
    await change(document.pk, fry.pk, title="New title", cover="", fence=fence, version=1)


async def takes_the_heading(document: Document, fry: Person) -> None:
    await sync_to_async(Heading.objects.filter(pk=document.pk).update)(holder=None)
    assert await sync_to_async(headings.take)(document.pk, fry.pk)


async def writes_another(document: Document, fry: Person) -> None:
    await sync_to_async(documents.create)(fry.pk, Content(title="Another", text="x"))


async def renames_himself(document: Document, fry: Person) -> None:
    fry.display_name = "Philip"
    await sync_to_async(people.update)(fry, ["display_name"], actor=fry.pk)


async def beats(document: Document, fry: Person) -> None:
    await sync_to_async(documents.create)(fry.pk, Content(title="One more", text="x"))
    await (await process.current()).presence.beat()


async def renews(document: Document, fry: Person) -> None:
    """As the server does at a heartbeat, for whoever has the pen."""
    await document.arefresh_from_db()
    await sync_to_async(editing.renew_all)([(document.pk, document.fence)])


async def types(document: Document, fry: Person) -> None:
    fence = await take(document.pk, fry.pk)
    assert fence
    await sync_to_async(drafts.keep)(
        document.pk, fry.pk, text="On its way", fence=fence, version=1, sequence=1
    )


#: By region: a page that shows it, and an act that changes it.
SHOWN: dict[str, tuple[str, Act]] = {
    "active_users": ("/", renames_himself),
    "people_here": ("/active/", edits),
    "lock_badge": ("/", edits),
    "document_summary": ("/", saves),
    "document_head": ("/documents/{pk}/", saves),
    "document_title": ("/documents/{pk}/edit/", renames),
    "heading_lease": ("/documents/{pk}/rename/", takes_the_heading),
    "document_text": ("/documents/{pk}/", saves),
    "draft_text": ("/documents/{pk}/watch/", types),
    "document_outline": ("/documents/{pk}/", saves),
    "document_people": ("/documents/{pk}/", edits),
    "pen": ("/documents/{pk}/", edits),
    "editor_pen": ("/documents/{pk}/edit/", seizes),
    "renewal": ("/documents/{pk}/edit/", renews),
    "new_documents": ("/", writes_another),
    "server_status": ("/status/", beats),
    "new_versions": ("/documents/{pk}/history/", saves),
    "toasts": ("/", saves),
}


#: Their keys have two parts.
OF_A_STAY = {"editor_pen", "new_versions"}
WITHOUT_DOCUMENT = {
    "active_users",
    "people_here",
    "server_status",
    "toasts",
    "new_documents",
    "renewal",
}


async def admit(leela: Person, name: str) -> None:
    """Some regions are for administrators."""
    leela.role = Person.Role.ADMIN if name == "server_status" else Person.Role.MEMBER
    await leela.asave()


def product_regions() -> list[str]:
    return [region.name for region in regions.all_regions()]


def test_the_table_names_every_region() -> None:
    """No region without its test."""
    assert set(SHOWN) == set(product_regions())


@pytest.mark.parametrize("name", list(SHOWN))
async def test_push_equals_reload(
    engine: Process, leela: Person, fry: Person, document: Document, name: str
) -> None:
    """The page plus what was pushed is the page as it would be loaded now."""
    url, act = SHOWN[name]
    await admit(leela, name)
    async with visit(fry, "/"), visit(leela, url.format(pk=document.pk)) as page:
        before = dict(page.regions)
        shown = [i for i in page.regions if i == name or i.startswith(f"{name}-")]
        assert shown, f"{url} does not show {name}"
        await act(document, fry)
        await page.until(lambda: any(page.regions[i] != before[i] for i in shown))
        # Loading a page with a lease takes it; "new" begins anew at each load.
        takes = url.endswith(("/edit/", "/rename/"))
        if not takes and name not in {"new_documents", "new_versions"}:
            await page.until_current("toasts")


@pytest.mark.parametrize("url", ["/", "/documents/{pk}/", "/documents/{pk}/watch/"])
async def test_a_renewal_costs_nobody_else_anything(
    engine: Process, leela: Person, fry: Person, document: Document, url: str
) -> None:
    """Who reads or watches, or looks at the list: nothing is rendered for them."""
    fence = await take(document.pk, fry.pk)
    assert fence

    def renewed() -> set[str]:
        """The topics of the renewal alone: the page is still entered, in other threads."""
        topics: set[str] = set()
        announce, here = bus.announce, threading.get_ident()

        def told(names: Iterable[str]) -> None:
            (topics.update if threading.get_ident() == here else announce)(names)

        with patch.object(bus, "announce", told):
            editing.renew_all([(document.pk, fence)])
        return topics

    async with visit(leela, url.format(pk=document.pk)) as page:
        topics = await sync_to_async(renewed)()
        assert topics
        for shown in page.regions:
            assert topics.isdisjoint(regions.topics_of(shown)), shown


@pytest.mark.parametrize("url", ["/", "/active/", "/documents/{pk}/", "/documents/{pk}/history/"])
@pytest.mark.parametrize("act", [edits, saves, renames, writes_another, renames_himself])
async def test_every_act_is_pushed_to_every_page(
    engine: Process, leela: Person, fry: Person, document: Document, url: str, act: Act
) -> None:
    """Whatever somebody does, whatever page another looks at: push equals reload."""
    fry_page = f"/documents/{document.pk}/"
    async with visit(fry, fry_page), visit(leela, url.format(pk=document.pk)) as page:
        await page.until_current("toasts")
        await act(document, fry)
        new = [name for name in page.regions if name.startswith("new_")]
        await page.until_current("toasts", *new)


def test_events_of_a_document_that_follow_each_other_are_one_toast(
    leela: Person, fry: Person, document: Document
) -> None:
    """By whomever: the newest, and how many more, of which nobody counts their own. After
    a pause there is another, and other documents have theirs."""
    Activity.objects.all().delete()
    other = documents.create(fry.pk, Content(title="Another", text="x"))
    for ago, person in ((60, fry), (29, fry), (0, leela)):
        activity.record(document.pk, person.pk, Activity.Verb.SAVED)
        newest = Activity.objects.filter(pk=Activity.objects.latest("pk").pk)
        newest.update(at=Now() - timedelta(seconds=ago))
    activity.record(document.pk, fry.pk, Activity.Verb.SAVED)
    feed = regions.get("toasts")
    assert isinstance(feed, Feed)
    elsewhere, first, *run = feed.entries(0, 10)
    assert len({entry.slot for entry in run}) == 1
    assert len({entry.slot for entry in (elsewhere, first, *run)}) == 3
    (alone,) = feed.entries(run[-2].id, 10)
    assert alone.slot == run[-1].slot, "however many of them are read"
    assert other.pk == elsewhere.context["activity"].document_id
    for you, more in ((None, "and 2 more events"), (leela.pk, "and 1 more event")):
        assert more in feed.render(run[-1], "en", you)
    assert "more event" not in feed.render(first, "en", None)


@pytest.mark.parametrize("name", list(SHOWN))
async def test_every_pushed_id_exists_on_the_page(
    engine: Process, leela: Person, fry: Person, document: Document, name: str
) -> None:
    """htmx is silent about a missing target, so no push may have one."""
    url, act = SHOWN[name]
    await admit(leela, name)
    async with visit(leela, url.format(pk=document.pk)) as page:
        known = set(page.regions)
        if name != "editor_pen":
            await act(document, fry)
            before = len(page.frames)
            await page.until(lambda: len(page.frames) > before)
        while not await page.hears_nothing():
            await page.receive()
        assert set(page.regions) <= known, "a push created a region the page never had"
        assert known - set(page.regions) == set(), "a push removed a region that is still there"


@pytest.mark.parametrize("name", list(SHOWN))
async def test_an_outsider_receives_nothing(
    document: Document, zoidberg: Person, rf: object, name: str
) -> None:
    """Neither in a page, nor by a subscription: the permission of every region."""

    def ask() -> None:
        region = regions.get(name)
        key = {
            "active_users": "",
            "people_here": "",
            "server_status": "",
            "toasts": "",
            "renewal": "",
        }.get(name, f"{document.pk}_1" if name in OF_A_STAY else str(document.pk))
        assert list(region.allow(zoidberg, [key])) == []
        assert permitted(zoidberg, [regions.region_id(name, key)]) == set()
        request = rf.get("/")  # type: ignore[attr-defined]
        request.user = zoidberg
        page = live_page(request)
        assert page is not None
        assert page.render(name, key) == ""

    await sync_to_async(ask)()


@pytest.mark.parametrize(
    "name",
    [name for name in SHOWN if name not in WITHOUT_DOCUMENT],
)
def test_a_document_that_does_not_exist_shows_nothing(leela: Person, name: str) -> None:
    """An unknown key is allowed to nobody, and loads nothing."""
    region = regions.get(name)
    assert isinstance(region, Region)
    key = "4711_1" if name in OF_A_STAY else "4711"
    assert list(region.allow(leela, [key, "x", "-1", ""])) == []
    assert dict(region.load([key])) == {}


def test_the_servers_are_for_administrators(leela: Person) -> None:
    """A member asks in vain."""
    assert permitted(leela, ["server_status"]) == set()
    leela.role = Person.Role.ADMIN
    assert permitted(leela, ["server_status"]) == {"server_status"}


def test_a_region_that_is_given_an_object_shows_what_it_would_load(document: Document) -> None:
    """``given`` saves a query and changes nothing."""
    for region in regions.all_regions():
        if isinstance(region, Feed) or region.given is None:
            continue
        key = str(document.pk)
        loaded = region.load([key])[key]
        assert region.render(key, region.given(document), "en", None) == region.render(
            key, loaded, "en", None
        )


def another(field: models.Field[Any, Any], value: Any, people: Sequence[Person]) -> Any:
    """A value that this column does not have now."""
    if field.choices:
        return next(choice for choice, _ in field.flatchoices if choice != value)
    if field.is_relation:
        return next(person.pk for person in people if person.pk != value)
    if isinstance(field, models.DateTimeField):
        return (value or timezone.now()) + timedelta(days=1)
    if isinstance(field, models.BooleanField):
        return not value
    return value + 1 if isinstance(value, int) else f"{value} changed"


def columns() -> list[tuple[type[models.Model], str]]:
    """All that a document, its heading and its people consist of."""
    return [
        (model, field.name)
        for model in (Document, Heading, Person)
        for field in model._meta.concrete_fields
        if not (field.primary_key or isinstance(field, models.GeneratedField))
    ]


@pytest.mark.parametrize(("model", "name"), columns())
def test_what_looks_the_same_is_kept_and_nothing_else(
    document: Document, leela: Person, fry: Person, model: type[models.Model], name: str
) -> None:
    """Whatever column changes: a region that says what it shows looks as it does without
    that. So no template shows more than its region says."""
    assert editing.take(document.pk, fry.pk)
    saying = [one for one in regions.all_regions() if isinstance(one, Region) and one.shows]
    key = str(document.pk)

    def now() -> dict[str, tuple[str, str]]:
        looks = {}
        for one in saying:
            state = one.load([key]).get(key)
            if state is not None:  # the document may not be present any more
                kept, fresh = (way(key, state, "en", None) for way in (one.render, one._rendered))
                looks[one.name] = kept.html, fresh.html
        return looks

    before = now()
    assert set(before) == {"lock_badge", "document_summary"}
    who = fry.pk if model is Person else document.pk
    ((value,),) = model._default_manager.filter(pk=who).values_list(name)
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    changed = {name: another(field, value, (leela, fry))}
    model._default_manager.filter(pk=who).update(**changed)
    for kept, fresh in (*before.values(), *now().values()):
        assert kept == fresh


def test_what_is_kept_is_kept_for_everybody(document: Document, leela: Person) -> None:
    """The same state is rendered once, for each language and for whoever it is about."""
    region = regions.get("lock_badge")
    assert isinstance(region, Region)
    key = str(document.pk)

    def shown(language: str = "en", you: int | None = None) -> object:
        return region.render(key, region.load([key])[key], language, you)

    assert shown() is shown()
    assert shown("it") is shown("it") is not shown()
    assert editing.take(document.pk, leela.pk)
    assert shown(you=leela.pk) is not shown()


def test_next_year_is_another(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then this year's days are shown with their year."""
    region = regions.get("document_summary")
    assert isinstance(region, Region)
    key = str(document.pk)
    state = region.load([key])[key]
    this = region.render(key, state, "en", None)
    later = timezone.now() + timedelta(days=370)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert region.render(key, state, "en", None).html != this.html


def test_templates_that_change_are_rendered_again(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept while somebody works on templates, and not more than there is room
    for."""
    region = regions.get("lock_badge")
    assert isinstance(region, Region)
    key = str(document.pk)
    state = region.load([key])[key]
    with override_settings(DEBUG=True):
        assert region.render(key, state, "en", None) is not region.render(key, state, "en", None)
    monkeypatch.setattr(regions, "KNOWN_RENDERINGS", 2)
    region._known.clear()
    for language in ("en", "it", "en", "it", "de", "fr", "en"):
        region.render(key, state, language, None)
        assert len(region._known) <= 2


def test_registering_a_name_twice_is_an_error() -> None:
    """Two regions cannot share an id; and names are identifiers."""
    existing = regions.get("lock_badge")
    with pytest.raises(ValueError, match="two regions"):
        regions.register(existing)
    with pytest.raises(regions.UnknownRegion):
        regions.get("nothing")
    for wrong in ("nothing-1", "lock_badge-<b>", "lock_badge-a b", ""):
        with pytest.raises(regions.UnknownRegion):
            regions.parse_id(wrong)
    with pytest.raises(ValueError, match="keyed"):
        regions.key_of('"><script>')
