"""Title and cover under a lease of their own, beside whoever writes the text."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.http import HttpResponse
from django.test import Client

from collab import covers, listeners, queries
from collab.errors import HeadingTaken, StaleHeading
from collab.live.models import Connection, Node
from collab.live.presence import Page
from collab.live.testing import announced
from collab.models import Activity, Document, Heading, Person
from collab.operations import documents, drafts, editing, headings, sharing, trash
from collab.operations.documents import Content
from collab.subjects import Claim
from collab.tests.test_views import picture
from collab.timings import ANSWER_SECONDS, FLUSH_SECONDS, IDLE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)
rows = Heading.objects


@pytest.fixture
def fence(document: Document, fry: Person) -> int:
    """Fry is changing title and cover."""
    taken = headings.take(document.pk, fry.pk)
    assert taken
    return taken


def ago(document: Document, **seconds: float) -> None:
    past = {name: Now() - timedelta(seconds=value) for name, value in seconds.items()}
    rows.filter(pk=document.pk).update(**past)


def change(document: Document, person: Person, fence: int, **new: object) -> int:
    known = {"title": "New", "cover": "", "version": 1, **new}
    return headings.change(document.pk, person.pk, fence=fence, **known)  # type: ignore[arg-type]


# The rules.


def test_every_rule_of_the_lease_holds_here(document: Document, fry: Person, leela: Person) -> None:
    """The same query set, on another row: nothing is copied."""
    pk = document.pk
    assert rows.take(pk, fry.pk)
    assert not rows.take(pk, leela.pk)
    assert rows.ask(pk, leela.pk)
    assert rows.keep(pk, fry.pk, 1)
    assert rows.ask(pk, leela.pk)
    assert rows.withdraw(pk, leela.pk)
    assert rows.ask(pk, leela.pk)
    ago(document, asked_at=ANSWER_SECONDS + 1)
    assert rows.begin_yield() == [pk]
    ago(document, yields_at=FLUSH_SECONDS + 1)
    assert [row.pk for row in rows.yielded()] == [pk]
    assert rows.hand_over(pk, 1)
    assert rows.touch(pk, leela.pk, 2)
    assert rows.seize(pk, fry.pk, 2, "because")
    assert rows.renew([(pk, 3)]) == 1
    ago(document, expires_at=1)
    assert rows.clear_expired() == [pk]
    assert rows.not_given_back().regain(pk, fry.pk, 3)
    assert rows.held_under(pk, fry.pk, 3).lapse()
    assert rows.not_given_back().regain(pk, fry.pk, 3)
    assert rows.release(pk, fry.pk, 3)
    assert not rows.not_given_back().regain(pk, fry.pk, 3)
    assert rows.regain(pk, fry.pk, 3)
    assert rows.release(pk, fry.pk, 3)
    document.refresh_from_db()
    assert (document.holder, document.fence) == (None, 0), "the pen was never touched"


def test_one_renames_while_another_writes(
    document: Document, fry: Person, leela: Person, fence: int
) -> None:
    """Three versions, each with what held then; the writer has nothing to merge."""
    pen = editing.take(document.pk, leela.pk)
    assert pen
    with announced() as topics:
        assert change(document, fry, fence) == 2
    own = {f"document:{document.pk}", f"heading:{document.pk}", "documents", "activity"}
    assert topics == own
    published = documents.publish(document.pk, leela.pk, "Written", fence=pen, version=1)
    assert published == (3, [])
    kept = [
        (one.version, one.title, queries.text_of(one)) for one in queries.revisions(document.pk)
    ]
    assert kept == [
        (3, "New", "Written"),
        (2, "New", document.text),
        (1, "Annual plan", document.text),
    ]
    event = document.activities.get(verb=Activity.Verb.RENAMED)
    assert (event.actor, event.version, event.words_added) == (fry, 2, 0)


def test_a_rename_is_no_reason_to_refuse_the_pen(
    document: Document, fry: Person, leela: Person, fence: int
) -> None:
    """Leela was away; meanwhile Fry looked at her text and renamed. Nobody has written."""
    pen = editing.take(document.pk, leela.pk)
    assert pen
    editing.release(document.pk, leela.pk, pen)
    other = editing.take(document.pk, fry.pk)
    assert other
    change(document, fry, fence)
    editing.release(document.pk, fry.pk, other)
    assert editing.take_back(document.pk, leela.pk, pen, version=1) == other + 1


def test_another_cover_is_told_as_such(document: Document, fry: Person, fence: int) -> None:
    """And what is neither changes nothing."""
    change(document, fry, fence, title="Annual plan", cover="a.webp")
    assert document.activities.filter(verb=Activity.Verb.COVERED).exists()


@pytest.mark.parametrize(("fence_by", "version"), [(1, 1), (-1, 1), (0, 2), (0, 0)])
def test_a_late_change_writes_nothing(
    document: Document, fry: Person, fence: int, fence_by: int, version: int
) -> None:
    """No half of it either: not the version, not the title."""
    with announced() as topics, pytest.raises(StaleHeading):
        change(document, fry, fence + fence_by, version=version)
    assert topics == set()
    document.refresh_from_db()
    assert (document.title, document.version, document.heading.version) == ("Annual plan", 1, 1)


def test_only_the_holder_changes(document: Document, leela: Person, fence: int) -> None:
    """Another person's fence, read off a page, opens nothing."""
    with pytest.raises(StaleHeading):
        change(document, leela, fence)


def test_in_the_trash_nothing_changes(
    document: Document, fry: Person, leela: Person, fence: int
) -> None:
    """The lease is taken out of the hands of whoever has it."""
    trash.move(document.pk, leela.pk)
    assert rows.get(pk=document.pk).holder is None
    assert headings.take(document.pk, fry.pk) is None
    assert headings.move(document.pk, fry.pk) is None
    headings.resume(document.pk, fry.pk, fence)
    assert rows.get(pk=document.pk).holder is None
    with pytest.raises(StaleHeading):
        change(document, fry, fence)


def test_a_restore_needs_both_leases(
    document: Document, fry: Person, leela: Person, fence: int
) -> None:
    """If somebody is changing the heading, and it would become another."""
    with pytest.raises(HeadingTaken):
        documents.restore(document.pk, leela.pk, Content("Other", "Other words"))
    document.refresh_from_db()
    assert (document.title, document.version, document.holder) == ("Annual plan", 1, None)
    assert documents.restore(document.pk, leela.pk, Content("Annual plan", "Other words")) == 2
    headings.release(document.pk, fry.pk, fence)
    assert documents.restore(document.pk, leela.pk, Content("Other", "Words", "a.webp")) == 3
    document.refresh_from_db()
    assert (document.title, document.cover, document.text) == ("Other", "a.webp", "Words")
    assert rows.get(pk=document.pk).holder is None


# While its page lives.


def page(document: Document, person: Person, claim: str) -> Page:
    return Page("p", person.pk, f"document:{document.pk}", "renaming", claim)


def test_a_page_keeps_and_gives_back_what_it_claims(
    document: Document, fry: Person, fence: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pen and heading, each by its own fence."""
    pen = editing.take(document.pk, fry.pk)
    both = page(document, fry, str(Claim(pen or 0, fence)))
    for leases in (rows, Document.objects):
        leases.update(expires_at=Now() - timedelta(seconds=1))
    monkeypatch.setattr(listeners, "_renewed_at", -1000.0)
    listeners.keep_leases([both])
    assert rows.held().exists()
    assert Document.objects.held().exists()
    listeners.free_leases([both])
    assert not rows.held().exists()
    assert not Document.objects.held().exists()
    listeners.give_back_leases([both])
    assert rows.held().exists()
    assert Document.objects.held().exists()


def test_a_lease_goes_along_to_the_next_page(document: Document, fry: Person, fence: int) -> None:
    """From the editor to the heading: the page that is left frees only what the next
    one does not claim."""
    pen = editing.take(document.pk, fry.pk)
    node = Node.objects.create(boot="b", host="h", pid=1)
    subject, claim = f"document:{document.pk}", str(Claim(pen or 0))
    Connection.objects.create(node=node, page="n", user=fry, subject=subject, claim=claim)
    listeners.free_leases([page(document, fry, str(Claim(pen or 0, fence)))])
    assert Document.objects.held().exists()
    assert not rows.held().exists()


def test_a_page_that_is_left_alone_ends_its_lease(
    document: Document, fry: Person, fence: int
) -> None:
    """Nobody can ask for it, so it must not be held for ever."""
    ago(document, active_at=IDLE_SECONDS + 1, expires_at=1)
    headings.renew([(document.pk, fence)])
    headings.expire()
    assert rows.get(pk=document.pk).holder is None


# Over HTTP.


def opened(client: Client, document: Document, query: str = "") -> tuple[str, dict[str, str]]:
    """The page with its lease, and the fields of its form."""
    response = client.get(f"/documents/{document.pk}/rename/{query}", follow=True)
    html = response.content.decode()
    fields = dict(re.findall(r'name="(version|fence|pen|kept_cover)" value="([^"]*)"', html))
    return response.redirect_chain[-1][0], fields


def post(client: Client, document: Document, form: dict[str, object]) -> HttpResponse:
    return client.post(f"/documents/{document.pk}/rename/", form)  # type: ignore[return-value]


def test_a_title_and_a_cover_are_changed(as_fry: Client, document: Document) -> None:
    """And the lease is given back."""
    url, form = opened(as_fry, document)
    assert url.endswith("?heading=1")
    answer = post(as_fry, document, {**form, "title": "New", "cover": picture(30, 20)})
    assert answer["Location"] == f"/documents/{document.pk}/"
    document.refresh_from_db()
    assert (document.title, document.version) == ("New", 2)
    assert re.fullmatch(r"[0-9a-f]{32}\.webp", document.cover)
    _, form = opened(as_fry, document)
    post(as_fry, document, {**form, "title": "New", "remove_cover": "on"})
    document.refresh_from_db()
    assert (document.cover, document.heading.holder) == ("", None)
    assert queries.revisions(document.pk).count() == 3


def test_what_is_not_changed_is_not_published(as_fry: Client, document: Document) -> None:
    """Saved, or cancelled."""
    _, form = opened(as_fry, document)
    post(as_fry, document, {**form, "title": "Annual plan"})
    _, form = opened(as_fry, document)
    post(as_fry, document, {**form, "title": "Other", "_method": "delete"})
    document.refresh_from_db()
    assert (document.version, document.title, document.heading.holder) == (1, "Annual plan", None)


def test_who_comes_second_reads_who_is_there(
    as_leela: Client, document: Document, fence: int
) -> None:
    """With the title, and without a form."""
    page = as_leela.get(f"/documents/{document.pk}/rename/").content.decode()
    assert "Fry has been changing title and cover since" in page
    assert 'name="title"' not in page


def test_a_second_tab_moves_it(as_fry: Client, fry: Person, document: Document) -> None:
    """While the other tab lives; when it is gone, it is brought along by itself."""
    opened(as_fry, document)
    node = Node.objects.create(boot="b", host="h", pid=1)
    subject = f"document:{document.pk}"
    there = Connection.objects.create(node=node, page="p", user=fry, claim="0-1", subject=subject)
    address = f"/documents/{document.pk}/rename/"
    assert b"Move it here" in as_fry.get(address).content
    assert post(as_fry, document, {"move": "1"})["Location"] == f"{address}?heading=2"
    there.delete()
    assert as_fry.get(address)["Location"] == f"{address}?heading=3"


@pytest.mark.parametrize("header", [{"sec-purpose": "prefetch"}, {"sec-fetch-dest": "image"}])
def test_a_browsers_guess_takes_nothing(
    as_fry: Client, document: Document, header: dict[str, str]
) -> None:
    """Nor does a question."""
    address = f"/documents/{document.pk}/rename/"
    assert as_fry.get(address, headers=header).status_code == 204
    assert as_fry.head(address).status_code == 204
    assert rows.get(pk=document.pk).holder is None


def test_a_late_change_shows_both(as_fry: Client, leela: Person, document: Document) -> None:
    """409; the title and the picture stay, and saving them again counts."""
    _, form = opened(as_fry, document)
    ago(document, expires_at=1)
    other = headings.take(document.pk, leela.pk)
    assert other
    change(document, leela, other, title="Leela's")
    headings.release(document.pk, leela.pk, other)
    late = post(as_fry, document, {**form, "title": "Fry's", "cover": picture(30, 20)})
    assert late.status_code == 409
    page = late.content.decode()
    assert "Its title is now: Leela&#x27;s" in page
    assert 'value="Fry&#x27;s"' in page
    again = dict(re.findall(r'name="(version|fence|kept_cover)" value="([^"]*)"', page))
    broken = post(as_fry, document, {**again, "title": ""})
    assert broken.status_code == 422
    assert again["kept_cover"] in broken.content.decode()
    assert post(as_fry, document, {**again, "title": "Fry's"}).status_code == 302
    document.refresh_from_db()
    assert (document.title, document.cover) == ("Fry's", again["kept_cover"])


def test_a_forged_cover_is_none(as_fry: Client, document: Document) -> None:
    """Only a name that the store knows."""
    _, form = opened(as_fry, document)
    post(as_fry, document, {**form, "title": "New", "kept_cover": "../../secret_key"})
    document.refresh_from_db()
    assert (document.title, document.cover) == ("New", "")


def late(client: Client, document: Document) -> dict[str, str]:
    """Send a picture for a version that has passed; gives the fields of the answer."""
    old = {"version": 0, "fence": 0, "title": "T"}
    answer = post(client, document, {**old, "cover": picture(30, 9)})
    assert answer.status_code == 409
    page = answer.content.decode()
    return dict(re.findall(r'name="(version|fence|kept_cover)" value="([^"]*)"', page))


def stored(folder: str) -> list[str]:
    return sorted(path.name for path in (Path(settings.MEDIA_ROOT) / folder).rglob("*.webp"))


def test_a_cover_of_a_document_is_nobody_elses(
    as_fry: Client, as_leela: Client, leela: Person, fry: Person, document: Document
) -> None:
    """Who knows the name of a picture does not get it: not one that a document has, and
    not one that is kept for somebody else."""
    hidden = documents.create(leela.pk, Content("Hidden", "", covers.store(picture(20, 20))))
    sharing.set_access(hidden.pk, Document.Access.NAMED, actor=leela.pk)
    kept = late(as_leela, document)["kept_cover"]
    ago(document, expires_at=1)
    for name in (hidden.cover, kept):
        assert as_fry.get(f"/covers/{name}").status_code == 404
        _, form = opened(as_fry, document)
        post(as_fry, document, {**form, "title": "New", "kept_cover": name})
        document.refresh_from_db()
        assert document.cover == ""
        assert as_fry.get(f"/covers/{name}").status_code == 404
    _, form = opened(as_leela, document)
    assert post(as_leela, document, {**form, "title": "T", "kept_cover": kept}).status_code == 302
    document.refresh_from_db()
    assert document.cover == kept
    assert b"".join(as_fry.get(f"/covers/{kept}"))


def test_pictures_that_come_too_late_do_not_pile_up(as_fry: Client, document: Document) -> None:
    """A few are kept for a person, and none for long."""
    names = [late(as_fry, document)["kept_cover"] for _ in range(covers.MOST_ASIDE + 3)]
    assert stored("covers") == []
    assert stored("covers-aside") == sorted(names[3:])
    assert trash.remove_unused_covers() == 0
    assert len(stored("covers-aside")) == covers.MOST_ASIDE
    for path in (Path(settings.MEDIA_ROOT) / "covers-aside").rglob("*.webp"):
        os.utime(path, (1, 1))
    trash.remove_unused_covers()
    assert stored("covers-aside") == []


def test_pictures_that_nothing_names_are_deleted(leela: Person, document: Document) -> None:
    """After a while: until then somebody may be about to name them. Those of earlier
    versions are named."""
    names = [covers.store(picture(20, 20)) for _ in range(4)]
    made = documents.create(leela.pk, Content("Slurm", "", names[0]))
    fence = headings.take(made.pk, leela.pk)
    assert fence
    headings.change(made.pk, leela.pk, title="Slurm", cover=names[1], fence=fence, version=1)
    for name in names[:3]:
        os.utime(Path(settings.MEDIA_ROOT) / covers.path_of(name), (1, 1))
    assert trash.remove_unused_covers() == 1
    assert stored("covers") == sorted([names[0], names[1], names[3]])


def test_a_picture_is_taken_back_once_and_removed_if_told(
    as_fry: Client, document: Document
) -> None:
    """Who removes the cover in the same form has none."""
    again = late(as_fry, document)
    post(as_fry, document, {**again, "title": "New", "remove_cover": "on"})
    document.refresh_from_db()
    assert (document.title, document.cover) == ("New", "")


def test_after_a_look_by_somebody_else_it_is_no_conflict(
    as_fry: Client, leela: Person, document: Document
) -> None:
    """Leela took the lease and gave it back."""
    _, form = opened(as_fry, document)
    ago(document, expires_at=1)
    other = headings.take(document.pk, leela.pk)
    assert other
    headings.release(document.pk, leela.pk, other)
    assert post(as_fry, document, {**form, "title": "Fry's"}).status_code == 302
    document.refresh_from_db()
    assert document.title == "Fry's"


def test_while_another_changes_it_a_late_change_takes_nothing(
    as_fry: Client, leela: Person, document: Document
) -> None:
    """It stays on the page."""
    _, form = opened(as_fry, document)
    ago(document, expires_at=1)
    assert headings.take(document.pk, leela.pk)
    late = post(as_fry, document, {**form, "title": "Fry's"})
    assert late.status_code == 409
    assert 'value="Fry&#x27;s"' in late.content.decode()
    assert rows.get(pk=document.pk).holder == leela


def test_in_the_trash_it_says_so(as_fry: Client, leela: Person, document: Document) -> None:
    """And what was typed is there to copy."""
    _, form = opened(as_fry, document)
    trash.move(document.pk, leela.pk)
    late = post(as_fry, document, {**form, "title": "Fry's"})
    assert late.status_code == 409
    assert "The document is in the trash." in late.content.decode()
    assert 'value="Fry&#x27;s"' in late.content.decode()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"title": ""}, "required"),
        ({"title": "t" * 201}, "at most 200 characters"),
        ({"title": "a\x00b"}, "Null characters"),
        ({"fence": "x"}, "whole number"),
        ({"version": ""}, "required"),
        ({"fence": "9" * 30}, "less than or equal"),
        ({"pen": "-1"}, "greater than or equal"),
    ],
)
def test_a_bad_form_is_told(
    as_fry: Client, document: Document, broken: dict[str, str], says: str
) -> None:
    """422, with what was typed, and nothing written."""
    _, form = opened(as_fry, document)
    answer = post(as_fry, document, {**form, "title": "Kept", **broken})
    assert answer.status_code == 422
    assert says in answer.content.decode()
    document.refresh_from_db()
    assert document.version == 1


# From the editor and back.


def test_the_way_from_the_editor_and_back_keeps_pen_and_words(
    as_fry: Client, fry: Person, document: Document
) -> None:
    """The text waits as a draft; the page between claims both leases."""
    address = f"/documents/{document.pk}/edit/"
    as_fry.get(address, follow=True)
    typed = {"fence": "1", "version": "1", "text": "Half a sentence"}
    answer = as_fry.post(address, {**typed, "rename": "1"}, follow=True)
    assert answer.redirect_chain[-1][0].endswith("/rename/?heading=1&pen=1")
    assert queries.unsaved(document.pk, fry.pk).get().text == "Half a sentence"
    form = {"fence": "1", "version": "1", "pen": "1", "title": "New"}
    back = post(as_fry, document, {**form})
    assert back["Location"] == f"{address}?pen=1"
    assert "Half a sentence</textarea>" in as_fry.get(back["Location"]).content.decode()
    saved = as_fry.post(address, {**typed, "text": "A sentence"}, follow=True)
    assert "Merged" not in saved.content.decode()
    document.refresh_from_db()
    assert (document.title, document.text, document.fence) == ("New", "A sentence", 1)


def test_a_text_that_cannot_be_kept_does_not_leave(as_fry: Client, document: Document) -> None:
    """The editor says why."""
    address = f"/documents/{document.pk}/edit/"
    as_fry.get(address, follow=True)
    typed = {"fence": "1", "version": "1", "text": "x" * 200_001, "rename": "1"}
    answer = as_fry.post(address, typed)
    assert answer.status_code == 422
    assert "holds up to 200 KB" in answer.content.decode()


def test_somebody_elses_pen_is_not_claimed(
    as_fry: Client, leela: Person, document: Document
) -> None:
    """Whatever the address says."""
    editing.take(document.pk, leela.pk)
    drafts.keep(document.pk, leela.pk, text="x", fence=1, version=1, sequence=1)
    page = as_fry.get(f"/documents/{document.pk}/rename/?pen=1", follow=True)
    assert page.context["claim"] == Claim(0, 1)


@pytest.mark.parametrize("text", ["", "5", "5-3", "0-3"])
def test_a_claim_is_read_as_it_was_written(text: str) -> None:
    """Both ways."""
    assert str(Claim.of(text)) == text


# The title's field in the editor.


def htmx(client: Client, document: Document, **form: object) -> HttpResponse:
    address = f"/documents/{document.pk}/rename/"
    return client.post(address, form, headers={"hx-request": "true"})  # type: ignore[return-value]


def test_typing_a_title_holds_the_lease(as_fry: Client, fry: Person, document: Document) -> None:
    """Taken once, then kept alive: the fence does not rise with each letter."""
    first = htmx(as_fry, document, hold="1", title="Annual plan")
    assert 'name="heading" value="1"' in first.content.decode()
    ago(document, expires_at=1)
    assert htmx(as_fry, document, hold="1", title="Annual pla").status_code == 204
    row = rows.held().get(pk=document.pk)
    assert (row.holder, row.fence) == (fry, 1)


def test_leaving_the_field_changes_the_title(as_fry: Client, document: Document) -> None:
    """Or nothing; the lease is free again."""
    for title, version in (("Annual plan", 1), ("New", 2), ("New", 2)):
        htmx(as_fry, document, hold="1", title="x")
        answer = htmx(as_fry, document, title=title, heading="1")
        assert answer.status_code == 200
        document.refresh_from_db()
        assert (document.title, document.version) == (title, version)
        assert document.heading.holder is None
    assert 'name="heading" value="2"' in answer.content.decode()


def test_an_overtaken_title_is_told(as_fry: Client, leela: Person, document: Document) -> None:
    """409 with what holds; the next try has seen it. An empty one is no title."""
    taken = headings.take(document.pk, leela.pk)
    assert taken
    assert htmx(as_fry, document, hold="1", title="Annual plan").status_code == 204
    assert htmx(as_fry, document, title="Fry's", heading="1").status_code == 409
    change(document, leela, taken, title="Leela's")
    headings.release(document.pk, leela.pk, taken)
    late = htmx(as_fry, document, title="Fry's", heading="1")
    assert late.status_code == 409
    assert "Its title is now: Leela&#x27;s" in late.content.decode()
    assert 'name="heading" value="2"' in late.content.decode()
    empty = htmx(as_fry, document, title="", heading="2")
    assert "This field is required" in empty.content.decode()
    document.refresh_from_db()
    assert (document.title, document.heading.holder) == ("Leela's", None)
    assert htmx(as_fry, document, title="Fry's", heading="2").status_code == 200


def test_a_plain_form_saves_title_and_text(
    as_fry: Client, leela: Person, document: Document
) -> None:
    """What cannot be done is told, with the title that was typed."""
    address = f"/documents/{document.pk}/edit/"
    as_fry.get(address, follow=True)
    form = {"fence": "1", "version": "1", "heading": "1", "text": "Words", "title": "New"}
    as_fry.post(address, form)
    document.refresh_from_db()
    assert (document.title, document.text, document.version) == ("New", "Words", 3)
    assert headings.take(document.pk, leela.pk)
    again = {**form, "version": "3", "heading": "2", "text": "More", "title": "<Newer>"}
    page = as_fry.post(address, again, follow=True).content.decode()
    assert "The title was not changed to “&lt;Newer&gt;”." in page
    document.refresh_from_db()
    assert (document.title, document.text) == ("New", "More")
