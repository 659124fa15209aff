"""Every page: what it shows, what it refuses, and that strangers see nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from PIL import Image
from pytest_django import DjangoAssertNumQueries, Settings

from collab import queries
from collab.live.models import Connection, Node
from collab.models import Document, Heading, Person
from collab.operations import documents, editing, sharing
from collab.operations.documents import Content
from collab.permissions import readable
from project import settings as production
from project.hashers import Argon2InTurn

pytestmark = pytest.mark.django_db

#: Pages for people who cannot sign in (yet).
OPEN = {
    "login",
    "healthz",
    "shared",
    "shared_cover",
    "invitation",
    "csp_report",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
}


def own_urls() -> list[tuple[str, str]]:
    """Name and an example address of every URL of the workspace."""
    values = {
        "pk": "1",
        "version": "1",
        "old": "1",
        "new": "1",
        "draft": "1",
        "slug": "x",
        "name": "x.webp",
        "uidb64": "MQ",
        "token": "t-t",
    }
    patterns = [p for p in get_resolver("collab.urls").url_patterns if isinstance(p, URLPattern)]
    return [
        (str(p.name), "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda m: values[m[1]], str(p.pattern)))
        for p in patterns
    ]


def doors(patterns: Any, before: str = "/") -> Iterator[tuple[str, Any]]:
    """An example address of everything there is, the administration's pages included."""
    for one in patterns:
        place = before + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from doors(one.url_patterns, place)
        elif "(?" not in place:
            yield re.sub(r"<(?:\w+:)?\w+>", "1", place), one


@pytest.mark.parametrize(("name", "url"), own_urls())
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_sees_nothing(
    stranger: Client, document: Document, name: str, url: str, method: str
) -> None:
    """The outsider test of every view: sign in first."""
    response = getattr(stranger, method)(url)
    if name in OPEN:
        assert b"Annual plan" not in response.content
    elif name == "metrics":  # Prometheus cannot follow to a form
        assert response.status_code in (403, 405)
    elif name == "logout":
        assert response.status_code in (302, 405)
    else:
        assert response.status_code == 302
        assert response["Location"].startswith("/login/?next=")


def test_a_deactivated_person_cannot_sign_in(stranger: Client, zoidberg: Person) -> None:
    """An account that is off stays outside."""
    response = stranger.post("/login/", {"username": "zoidberg", "password": "planet-express"})
    assert response.status_code == 200
    assert "_auth_user_id" not in stranger.session


def test_signing_in_and_out(stranger: Client, leela: Person) -> None:
    """By password; out by POST only."""
    response = stranger.post("/login/", {"username": "leela", "password": "planet-express"})
    assert response["Location"] == "/"
    assert stranger.get("/logout/").status_code == 405
    assert stranger.post("/logout/")["Location"] == "/login/"
    assert stranger.get("/").status_code == 302


@pytest.mark.parametrize(
    "away",
    [
        *("https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example"),
        *("\\\\evil.example", "\\/evil.example", "http:evil.example", "https:///evil.example"),
        *("javascript:alert(1)", "data:text/html,x", "/\t/evil.example", "\x08//evil.example"),
        *("http://127.0.0.1@evil.example/", "http://127.0.0.1.evil.example/", "//127.0.0.1\\@evil"),
        *("HTTPS://evil.example", " //evil.example", "http://[::1]/", "ftp://127.0.0.1/"),
    ],
)
def test_sign_in_does_not_redirect_elsewhere(stranger: Client, leela: Person, away: str) -> None:
    """``next`` leads only into this site, also for whoever is signed in already."""
    form = {"username": "leela", "password": "planet-express", "next": away}
    assert stranger.post("/login/", form)["Location"] == "/"
    assert stranger.get("/login/", {"next": away})["Location"] == "/"


@pytest.mark.parametrize(("name", "url"), own_urls())
def test_no_form_of_another_site_is_taken(leela: Person, name: str, url: str) -> None:
    """Every POST wants its token, but the browser's own report."""
    client = Client(enforce_csrf_checks=True, headers={"host": "127.0.0.1"})
    client.force_login(leela)
    answer = client.post(url, {"title": "T", "text": "x"})
    assert answer.status_code == (400 if name == "csp_report" else 403)


def test_a_forgotten_password(stranger: Client, make_person: object, settings: Settings) -> None:
    """By a link in a mail, once. It leads here, whatever the request says that asks."""
    make_person("amy", email="amy@example.org")  # type: ignore[operator]
    form = {"email": "amy@example.org"}
    stranger.post("/password/reset/", form, headers={"host": "127.0.0.1:6666"})
    found = re.escape(settings.ORIGINS[0])
    link = re.search(rf"{found}(/password/reset/\S+)", str(mail.outbox[0].body))
    assert link
    page = stranger.get(link[1], follow=True)
    form = {"new_password1": "nibbler-eats-all", "new_password2": "nibbler-eats-all"}
    assert stranger.post(page.redirect_chain[-1][0], form).status_code == 302
    form = {"username": "amy", "password": "nibbler-eats-all"}
    assert stranger.post("/login/", form).status_code == 302
    assert b"no longer works" in Client().get(link[1], headers={"host": "127.0.0.1"}).content


def test_a_new_password_keeps_this_device_signed_in(as_leela: Client, leela: Person) -> None:
    """Other sessions end, this one goes on."""
    other = Client(headers={"host": "127.0.0.1"})
    other.force_login(leela)
    form = {
        "old_password": "planet-express",
        "new_password1": "nibbler-eats-all",
        "new_password2": "nibbler-eats-all",
    }
    assert as_leela.post("/password/", form).status_code == 302
    assert as_leela.get("/").status_code == 200
    assert other.get("/").status_code == 302


def test_the_profile_changes_name_language_and_theme(as_leela: Client, leela: Person) -> None:
    """And the next page is in that language and scheme."""
    form = {"display_name": "Turanga Leela", "colour": "pink", "language": "it", "theme": "dark"}
    assert as_leela.post("/profile/", form).status_code == 302
    page = as_leela.get("/").content.decode()
    assert '<html lang="it"' in page
    assert 'data-theme="dark"' in page
    leela.refresh_from_db()
    assert leela.initials == "TL"
    assert as_leela.post("/profile/", {"language": "xx"}).status_code == 422


def test_a_name_with_markup_is_text(as_leela: Client, leela: Person, document: Document) -> None:
    """Names, titles and search words are escaped everywhere."""
    leela.display_name = "<img src=x onerror=alert(1)>"
    leela.save()
    Heading.objects.update(title="<script>alert(1)</script>")
    for url in ("/", f"/documents/{document.pk}/", "/active/", "/?q=<script>alert(1)</script>"):
        page = as_leela.get(url).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page


# -- The dashboard


def test_the_dashboard_shows_and_finds(as_leela: Client, fry: Person, document: Document) -> None:
    """Search in title and text, all words; filters; sort."""
    documents.create(fry.pk, Content(title="Zebra", text="Black and white"))

    def rows(query: str) -> list[str]:
        page = as_leela.get(f"/{query}").content.decode()
        return re.findall(r'data-testid="document-row" data-document="(\d+)"', page)

    assert len(rows("")) == 2
    assert rows("?q=annual") == [str(document.pk)]
    assert rows("?q=white+zebra") != []
    assert rows("?q=white+annual") == []
    assert rows("?show=mine") == [str(document.pk)]
    assert rows("?show=editing") == []
    editing.take(document.pk, fry.pk)
    assert rows("?show=editing") == [str(document.pk)]
    assert rows("?sort=title")[0] == str(document.pk)
    assert len(rows("?show=unread")) == 2
    as_leela.get(f"/documents/{document.pk}/")
    assert len(rows("?show=unread")) == 1
    assert len(rows("?show=nonsense&sort=nonsense&page=nonsense")) == 2
    assert rows("?q=%00") != []


def test_the_dashboard_pages_by_fifty(as_leela: Client, leela: Person) -> None:
    """Fifty to a page, and the search survives the turning."""
    for number in range(51):
        documents.create(leela.pk, Content(title=f"Note {number}", text="x"))
    first = as_leela.get("/?q=note").content.decode()
    assert first.count('data-testid="document-row"') == 50
    assert "q=note&amp;page=2" in first
    assert as_leela.get("/?page=2").content.decode().count('data-testid="document-row"') == 1


def test_an_empty_workspace_invites(as_leela: Client) -> None:
    """The first page of a new workspace says what to do."""
    assert b"import_markdown" in as_leela.get("/").content


@pytest.mark.parametrize("people", [3, 200])
@pytest.mark.parametrize("rows", [5, 50])
def test_the_dashboard_takes_at_most_ten_queries(
    as_leela: Client,
    leela: Person,
    people: int,
    rows: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """Whatever the number of documents and of people in them."""
    made = [documents.create(leela.pk, Content(title=f"N{n}", text="x")) for n in range(rows)]
    node = Node.objects.create(boot="b", host="h", pid=1)
    crowd = Person.objects.bulk_create(
        Person(username=f"p{n}", colour="teal") for n in range(people)
    )
    Connection.objects.bulk_create(
        Connection(
            node=node,
            page=f"p{n}",
            user=person,
            subject=f"document:{made[n % rows].pk}",
            mode="reading",
        )
        for n, person in enumerate(crowd)
    )
    editing.take(made[0].pk, crowd[0].pk)
    with django_assert_max_num_queries(10):
        page = as_leela.get("/").content.decode()
    assert f'data-count="{people}"' in page


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL goes by what tables hold")
@pytest.mark.parametrize("sort", ["changed", "created"])
@pytest.mark.parametrize("only", ["all", "unread"])
def test_the_dashboard_sorts_no_documents(leela: Person, only: str, sort: str) -> None:
    """An index has them in order, so that of 10,000 only those are read that are shown."""
    found = queries.document_list(readable(leela), leela, only=only, sort=sort)
    assert "TEMP B-TREE" not in found[:50].explain()


# -- Documents


def test_a_document_is_found_by_its_number(as_leela: Client, document: Document) -> None:
    """The slug is decoration; an unknown number is not found."""
    assert document.get_absolute_url() == f"/documents/{document.pk}/annual-plan/"
    assert as_leela.get(f"/documents/{document.pk}/").status_code == 200
    assert as_leela.get(f"/documents/{document.pk}/anything/").status_code == 200
    for unknown in ("4711", "99999999999999999999999"):
        for page in ("", "edit/", "history/"):
            assert as_leela.get(f"/documents/{unknown}/{page}").status_code == 404


def test_writing_a_document(as_leela: Client, leela: Person) -> None:
    """Title and text; the author goes straight to it."""
    assert as_leela.get("/documents/new/").status_code == 200
    response = as_leela.post("/documents/new/", {"title": "Plan", "text": "Hello *you*"})
    made = Document.objects.get()
    assert response["Location"] == made.get_absolute_url()
    assert b"<em>you</em>" in as_leela.get(made.get_absolute_url()).content


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"title": "", "text": "kept words"}, "This field is required"),
        ({"title": "t" * 201, "text": "kept words"}, "at most 200 characters"),
        ({"title": "T", "text": "kept words " * 20_000}, "holds up to 200 KB"),
        ({"title": "T", "text": "kept words \x00"}, "Null characters"),
    ],
)
def test_a_refused_document_keeps_what_was_typed(
    as_leela: Client, form: dict[str, str], sentence: str
) -> None:
    """A sentence beside the field, and nothing is lost."""
    response = as_leela.post("/documents/new/", form)
    assert response.status_code == 422
    page = response.content.decode()
    assert sentence in page
    assert "kept words" in page
    assert not Document.objects.exists()


def picture(width: int, height: int, kind: str = "PNG") -> SimpleUploadedFile:
    raw = BytesIO()
    Image.new("1" if kind == "PNG" else "RGB", (width, height)).save(raw, kind)
    return SimpleUploadedFile("cover.png", raw.getvalue(), "image/png")


def test_a_cover_is_made_anew(as_leela: Client, as_fry: Client, stranger: Client) -> None:
    """Re-encoded as WebP under a random name, served with our type, to readers only."""
    as_leela.post("/documents/new/", {"title": "T", "text": "x", "cover": picture(3000, 200)})
    made = Document.objects.get()
    assert re.fullmatch(r"[0-9a-f]{32}\.webp", made.cover)
    response = as_fry.get(f"/covers/{made.cover}")
    assert response["Content-Type"] == "image/webp"
    served = Image.open(BytesIO(b"".join(response)))
    assert (served.format, served.size) == ("WEBP", (1600, 107))
    assert stranger.get(f"/covers/{made.cover}").status_code == 302
    for wrong in ("x.webp", "0" * 32 + ".webp", "..%2Fsecret_key", "0" * 32 + ".webp.html"):
        assert as_leela.get(f"/covers/{wrong}").status_code == 404


@pytest.mark.parametrize(
    ("upload", "sentence"),
    [
        (lambda: SimpleUploadedFile("a.png", b"no picture", "image/png"), "not a picture"),
        (lambda: SimpleUploadedFile("a.svg", b"<svg/>", "image/svg+xml"), "not a picture"),
        (lambda: SimpleUploadedFile("a.png", b"x" * (5 * 1024 * 1024 + 1)), "larger than 5 MB"),
        (lambda: picture(8000, 5001), "more than 40 megapixels"),
        (lambda: SimpleUploadedFile("a.png", picture(2000, 2000).read()[:200]), "not a picture"),
    ],
)
def test_a_bad_picture_is_refused_in_the_form(
    as_leela: Client, upload: object, sentence: str
) -> None:
    """None at all, cut short, too large, or a bomb: a sentence, and the text stays."""
    form = {"title": "T", "text": "kept words", "cover": upload()}  # type: ignore[operator]
    response = as_leela.post("/documents/new/", form)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert "kept words" in response.content.decode()


def test_the_preview_renders_and_stores_nothing(as_leela: Client) -> None:
    """Safe HTML; too long a text is said to be."""
    page = as_leela.post("/documents/preview/", {"text": "**b** <script>x</script>"})
    assert b"<strong>b</strong>" in page.content
    assert b"<script>" not in page.content
    assert b"too long" in as_leela.post("/documents/preview/", {"text": "x" * 200_001}).content


def test_a_text_that_would_grow_is_shown_as_it_was_written(
    as_leela: Client, stranger: Client, leela: Person
) -> None:
    """And says so, wherever it is shown; it is kept like any other."""
    text = "|a" * 200 + "|\n" + "|-" * 200 + "|\n" + "<b>\n" * 400
    made = documents.create(leela.pk, Content("Slurm", text))
    link = sharing.make_link(made.pk, leela.pk, 7)
    places = [
        as_leela.get(made.get_absolute_url()),
        as_leela.get(f"/documents/{made.pk}/history/1/"),
        as_leela.post("/documents/preview/", {"text": text}),
        stranger.get(f"/shared/{link}/"),
    ]
    for page in places:
        assert "This text takes too long to show." in page.content.decode()
        assert "|a|a|a|\n|-|-|-" in page.content.decode()
        assert b"<td>" not in page.content
    made.refresh_from_db()
    assert made.text == text


def test_the_history_names_who_and_how_much(as_leela: Client, document: Document) -> None:
    """Saves with their word counts."""
    page = as_leela.get(f"/documents/{document.pk}/history/").content.decode()
    assert "Leela" in page
    assert "+4" in page


# -- The editor


def opened(client: Client, document: Document) -> tuple[str, dict[str, str]]:
    """Open the editor; returns its address and its form."""
    response = client.get(f"/documents/{document.pk}/edit/", follow=True)
    form = {
        name: match[1]
        for name in ("fence", "version")
        if (match := re.search(rf'name="{name}"[^>]*value="(\d+)"', response.content.decode()))
    }
    url = response.redirect_chain[-1][0] if response.redirect_chain else ""
    return url, form


def test_opening_the_editor_takes_the_pen(
    as_leela: Client, leela: Person, document: Document
) -> None:
    """And a reload keeps it, under the same fence."""
    url, form = opened(as_leela, document)
    document.refresh_from_db()
    assert document.holder == leela
    assert url.endswith("?pen=1")
    assert form == {"fence": "1", "version": "1"}
    assert as_leela.get(url).status_code == 200
    document.refresh_from_db()
    assert document.fence == 1


def test_another_reads_while_somebody_edits(
    as_leela: Client, as_fry: Client, document: Document
) -> None:
    """The page opens for reading and names the holder."""
    opened(as_fry, document)
    response = as_leela.get(f"/documents/{document.pk}/edit/")
    assert response.status_code == 200
    assert "Fry has had the pen since" in response.content.decode()
    assert 'id="editor"' not in response.content.decode()


def test_a_second_tab_offers_to_move(as_fry: Client, fry: Person, document: Document) -> None:
    """Never "locked by you": the pen can be brought here while the other tab lives."""
    opened(as_fry, document)
    node = Node.objects.create(boot="b", host="h", pid=1)
    Connection.objects.create(
        node=node, page="p", user=fry, mode="editing", claim="1", subject=f"document:{document.pk}"
    )
    assert b"Move editing here" in as_fry.get(f"/documents/{document.pk}/edit/").content
    response = as_fry.post(f"/documents/{document.pk}/pen/")
    assert response["Location"].endswith("?pen=2")


def test_a_forgotten_pen_is_brought_along(as_fry: Client, document: Document) -> None:
    """When the tab that had it is gone, opening the editor again just works."""
    opened(as_fry, document)
    assert opened(as_fry, document)[0].endswith("?pen=2")


def test_a_browsers_guess_takes_no_pen(as_leela: Client, document: Document) -> None:
    """A prefetch is not a person."""
    url = f"/documents/{document.pk}/edit/"
    assert as_leela.get(url, headers={"sec-purpose": "prefetch"}).status_code == 204
    assert as_leela.get(url, headers={"sec-fetch-dest": "image"}).status_code == 204
    document.refresh_from_db()
    assert document.holder is None


def test_saving_without_javascript(as_leela: Client, document: Document) -> None:
    """A plain post: saved, and back in the editor with the pen."""
    url, form = opened(as_leela, document)
    response = as_leela.post(url, {**form, "text": "Second"}, follow=True)
    assert "Saved." in response.content.decode()
    document.refresh_from_db()
    assert (document.text, document.version) == ("Second", 2)


def test_saving_with_htmx_returns_the_next_version(as_leela: Client, document: Document) -> None:
    """Only the save state is answered, with the version the next save starts from."""
    url, form = opened(as_leela, document)
    page = as_leela.post(
        url, {**form, "text": "Second"}, headers={"hx-request": "true"}
    ).content.decode()
    assert 'name="version" form="editor" value="2"' in page
    assert "<html" not in page


def test_done_saves_and_gives_the_pen_back(as_leela: Client, document: Document) -> None:
    """What is on the screen is kept; without a change nothing is published."""
    url, form = opened(as_leela, document)
    as_leela.post(url, {**form, "text": "Second", "done": "1"})
    document.refresh_from_db()
    assert (document.text, document.version, document.holder) == ("Second", 2, None)
    url, form = opened(as_leela, document)
    as_leela.post(url, {**form, "text": "Second", "done": "1"})
    document.refresh_from_db()
    assert (document.version, document.holder) == (2, None)


def test_a_late_save_shows_both_texts(as_leela: Client, as_fry: Client, document: Document) -> None:
    """409, nothing dropped, and after seeing both the person can decide."""
    url, form = opened(as_leela, document)
    Document.objects.update(expires_at="2000-01-01T00:00Z")
    fry_url, fry_form = opened(as_fry, document)
    as_fry.post(fry_url, {**fry_form, "text": "Fry's words", "done": "1"})
    late = as_leela.post(url, {**form, "text": "Leela's words"})
    assert late.status_code == 409
    page = late.content.decode()
    assert "Leela&#x27;s words" in page
    assert "Fry&#x27;s words" in page
    document.refresh_from_db()
    assert document.text == "Fry's words"
    again = {
        name: re.search(rf'name="{name}" value="(\d+)"', page)[1]  # type: ignore[index]
        for name in ("fence", "version")
    }
    decided = {**again, "decided": "1", "text": "Leela's and Fry's words"}
    assert as_leela.post(url, decided).status_code == 302
    document.refresh_from_db()
    assert (document.text, document.version) == ("Leela's and Fry's words", 3)


def test_asking_for_the_head_takes_no_pen(as_leela: Client, document: Document) -> None:
    """HEAD is a question."""
    assert as_leela.head(f"/documents/{document.pk}/edit/").status_code == 204
    document.refresh_from_db()
    assert document.holder is None


def test_deciding_while_another_writes_is_a_conflict_again(
    as_leela: Client, as_fry: Client, document: Document
) -> None:
    """The pen is never taken from somebody by a conflict page."""
    url, form = opened(as_leela, document)
    Document.objects.update(expires_at="2000-01-01T00:00Z")
    opened(as_fry, document)
    late = {**form, "decided": "1", "text": "Leela's words"}
    response = as_leela.post(url, late)
    assert response.status_code == 409
    assert "Leela&#x27;s words" in response.content.decode()


@pytest.mark.parametrize(
    "broken",
    [{"fence": "x"}, {"version": ""}, {"fence": "-1"}, {"fence": "9" * 30}, {"version": "9" * 30}],
)
def test_a_broken_form_keeps_the_text(
    as_leela: Client, document: Document, broken: dict[str, str]
) -> None:
    """A fence that is no number: a clear answer, both texts, no 500."""
    url, form = opened(as_leela, document)
    response = as_leela.post(url, {**form, "text": "kept words", **broken})
    assert response.status_code in (400, 409)
    assert "kept words" in response.content.decode()


def test_a_too_long_text_stays_in_the_editor(as_leela: Client, document: Document) -> None:
    """With the pen, and with the sentence that says what to do."""
    url, form = opened(as_leela, document)
    response = as_leela.post(url, {**form, "text": "kept words " * 20_000})
    assert response.status_code == 422
    assert "holds up to 200 KB" in response.content.decode()
    assert "kept words" in response.content.decode()


def test_giving_the_pen_back(as_leela: Client, document: Document) -> None:
    """``DELETE`` by form override; a broken fence does nothing."""
    opened(as_leela, document)
    url = f"/documents/{document.pk}/pen/"
    as_leela.post(url, {"_method": "delete", "fence": "x"})
    assert Document.objects.held().exists()
    as_leela.post(url, {"_method": "delete", "fence": "1"})
    assert not Document.objects.held().exists()


# -- Errors and health


def test_error_pages_wear_the_same_clothes(as_leela: Client) -> None:
    """Also for addresses that never existed."""
    response = as_leela.get("/nowhere/")
    assert response.status_code == 404
    assert b"does not exist" in response.content


def test_a_post_without_its_token_is_refused_kindly(leela: Person) -> None:
    """CSRF: 403, with what to do."""
    client = Client(enforce_csrf_checks=True, headers={"host": "127.0.0.1"})
    client.force_login(leela)
    response = client.post("/documents/new/", {"title": "T"})
    assert response.status_code == 403
    assert b"reload it" in response.content


def test_a_request_that_is_too_large_is_413(as_leela: Client, settings: object) -> None:
    """Said in a page, not by a broken connection."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000  # type: ignore[attr-defined]
    response = as_leela.post(
        "/documents/preview/",
        {"text": "x" * 2000},
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 413


@pytest.mark.parametrize("address", ["edit", "draft", "rename", "pen"])
def test_a_part_that_is_too_large_leaves_the_page_as_it_is(
    as_leela: Client, document: Document, settings: object, address: str
) -> None:
    """The editor has what was typed, and says so: no other page may take its place."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000  # type: ignore[attr-defined]
    response = as_leela.post(
        f"/documents/{document.pk}/{address}/",
        "text=" + "x" * 2000,
        content_type="application/x-www-form-urlencoded",
        headers={"HX-Request": "true"},
    )
    assert (response.status_code, response["HX-Reswap"]) == (413, "none")
    assert int(response["Retry-After"]) >= 60


def test_health(stranger: Client) -> None:
    """200 for load balancers, without a session."""
    assert stranger.get("/healthz").json() == {"status": "ok"}


def test_headers_are_strict(as_leela: Client) -> None:
    """No inline code, no frames, no sniffing, no foreign referrer."""
    headers = as_leela.get("/").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("place", ["/", "/documents/new/", "/profile/"])
def test_no_page_is_compressed(as_leela: Client, place: str) -> None:
    """Its length would tell of the tokens in it, beside what somebody else has written."""
    answer = as_leela.get(place, headers={"accept-encoding": "gzip, deflate, br, zstd"})
    assert "csrfmiddlewaretoken" in answer.content.decode()
    assert not answer.has_header("Content-Encoding")


def test_a_report_of_the_policy_is_logged(
    stranger: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """On one line, cut, and only what is known; nonsense is refused."""
    report = {"blocked-uri": "https://evil.example/\n" + "x" * 500, "own": "field"}
    body = json.dumps({"csp-report": report})
    answer = stranger.post("/csp-report/", body, content_type="application/csp-report")
    assert answer.status_code == 204
    (line,) = [record.getMessage() for record in caplog.records if "csp:" in record.getMessage()]
    assert "evil.example" in line
    assert "\n" not in line
    assert "own" not in line
    assert len(line) < 300
    for nonsense in ("", "[]", "{}", "x" * 20_000, '{"csp-report": 1}', "[" * 9_000, "\xff"):
        answer = stranger.post("/csp-report/", nonsense, content_type="application/json")
        assert answer.status_code == 400, nonsense[:20]


def test_guessing_a_password_is_stopped(stranger: Client, fry: Person, settings: Settings) -> None:
    """After so many tries even the right one is refused for a while; a success before
    that begins anew. Others are not kept out."""
    form = {"username": "fry", "password": "planet-express"}
    wrong = {**form, "password": "wrong"}
    for _ in range(settings.AXES_FAILURE_LIMIT - 1):
        assert stranger.post("/login/", wrong).status_code == 200
    assert stranger.post("/login/", form).status_code == 302
    stranger.post("/logout/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        answer = stranger.post("/login/", wrong)
    assert answer.status_code == 429
    assert "Too many tries" in answer.content.decode()
    assert stranger.post("/login/", form).status_code == 429
    elsewhere = Client(headers={"host": "127.0.0.1"}, REMOTE_ADDR="192.0.2.7")
    assert elsewhere.post("/login/", form).status_code == 302


def test_a_network_of_addresses_gives_no_more_tries(
    stranger: Client, fry: Person, settings: Settings
) -> None:
    """Whoever has one address of IPv6 has a whole /64 of them."""
    wrong = {"username": "fry", "password": "wrong"}
    for number in range(settings.AXES_FAILURE_LIMIT):
        answer = stranger.post("/login/", wrong, REMOTE_ADDR=f"2001:db8::{number:x}")
    assert answer.status_code == 429
    right = {**wrong, "password": "planet-express"}
    assert stranger.post("/login/", right, REMOTE_ADDR="2001:db8::ffff:1").status_code == 429
    assert stranger.post("/login/", right, REMOTE_ADDR="2001:db8:0:1::1").status_code == 302


def test_passwords_are_kept_by_argon2() -> None:
    """As the settings say, not as the tests do."""
    assert production.PASSWORD_HASHERS[0] == "project.hashers.Argon2InTurn"
    assert Argon2PasswordHasher().verify("x", Argon2InTurn().encode("x", "saltsalt"))
    assert Argon2InTurn().verify("x", Argon2PasswordHasher().encode("x", "saltsalt"))
