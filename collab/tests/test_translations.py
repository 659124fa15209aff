"""Italian is complete, correct in form, and what an Italian person is shown."""

from __future__ import annotations

import ast
import gettext
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import translation
from django.views.defaults import server_error

from collab.live.models import Connection, Node
from collab.models import Activity, Document, Person
from collab.operations import documents, editing
from collab.operations.documents import Content
from collab.templatetags.ui import when

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = Path("collab/locale/it/LC_MESSAGES/django.po")
COPIED = ("collab", "project", "templates", "manage.py")

#: A message: its context and its English, with the plural where it has one.
Key = tuple[str, str, str]


def messages(path: Path) -> Mapping[Key, list[str]]:
    """The entries of a .po file, without its header."""
    found: dict[Key, list[str]] = {}
    for entry in re.split(r"\n\s*\n", path.read_text()):
        fields: dict[str, str] = {}
        field = ""
        for line in entry.splitlines():
            if line.startswith("#"):
                continue
            name, _, value = line.partition(" ") if line[0] != '"' else (field, "", line)
            field = name
            fields[field] = fields.get(field, "") + str(ast.literal_eval(value))
        if fields.get("msgid"):
            key = (fields.get("msgctxt", ""), fields["msgid"], fields.get("msgid_plural", ""))
            found[key] = [text for name, text in fields.items() if name.startswith("msgstr")]
    return found


ITALIAN = messages(ROOT / CATALOGUE)


@pytest.mark.parametrize("key", list(ITALIAN), ids=lambda key: key[1][:40])
def test_every_text_is_translated_with_its_placeholders(key: Key) -> None:
    """In every plural form, and each form fills in what the English one does."""
    _, singular, plural = key
    translated = ITALIAN[key]
    assert len(translated) == (2 if plural else 1)
    for english, italian in zip((singular, plural), translated, strict=False):
        assert italian.strip()
        assert placeholders(italian) == placeholders(english)
        assert re.findall(r"</?\w+>", italian) == re.findall(r"</?\w+>", english)
        assert (italian[0] == "\n", italian[-1] == "\n") == (
            english[0] == "\n",
            english[-1] == "\n",
        )


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%(?:\(\w+\))?[sd]", text))


def test_no_translation_is_a_guess() -> None:
    """None is fuzzy, none is left over, and no file is named by its place on a disk."""
    text = (ROOT / CATALOGUE).read_text()
    assert "fuzzy" not in text
    assert "#~" not in text
    assert not re.search(r"^#: .*(?::\d+|(?<!\S)/|tests/|e2e/|bench/)", text, re.MULTILINE)


def test_the_compiled_catalogue_is_current() -> None:
    """The .mo says what the .po says."""
    with (ROOT / CATALOGUE).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for (context, singular, plural), translated in ITALIAN.items():
        for number, expected in zip((1, 2), translated, strict=False):
            if context:
                found = compiled.pgettext(context, singular)
            elif plural:
                found = compiled.ngettext(singular, plural, number)
            else:
                found = compiled.gettext(singular)
            assert found == expected
    texts = {context + singular for context, singular, _ in ITALIAN}
    catalogue = vars(compiled)["_catalog"]
    names = {key[0] if isinstance(key, tuple) else key for key in catalogue}
    assert {name.replace("\x04", "") for name in names if name} == texts


@pytest.mark.skipif(not shutil.which("xgettext"), reason="collecting needs GNU gettext")
def test_the_catalogue_has_every_text(tmp_path: Path) -> None:
    """Collecting anew, in a copy, finds nothing new and nothing gone."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    options = re.search(
        r"^COLLECT := (.*?[^\\])$", (ROOT / "Makefile").read_text(), re.MULTILINE | re.DOTALL
    )
    assert options
    words = options[1].replace("\\\n", " ").split()
    env = {**os.environ, "SECRET_KEY": "x", "DATA_DIR": str(tmp_path / "data")}
    subprocess.run([sys.executable, "manage.py", *words], cwd=tmp_path, env=env, check=True)
    assert set(messages(tmp_path / CATALOGUE)) == set(ITALIAN)


# -- What an Italian person is shown

#: Sentences and words of the interface that no Italian page may contain.
ENGLISH = [
    singular
    for context, singular, plural in ITALIAN
    if [singular] != ITALIAN[context, singular, plural] and len(singular) > 3
]


@pytest.fixture
def italian(leela: Person) -> Client:
    leela.language = "it"
    leela.save()
    client = Client(headers={"host": "127.0.0.1"}, raise_request_exception=False)
    client.force_login(leela)
    return client


def english_in(page: str) -> list[str]:
    """The English that a page shows or reads out."""
    page = re.sub(r"<(script|style)\b.*?</\1>|<!--.*?-->", "", page, flags=re.DOTALL)
    spoken = re.findall(
        r'(?:aria-label|placeholder|title|alt|data-more|data-title)="([^"]*)"', page
    )
    shown = [text.strip() for text in re.split(r"<[^>]*>", page)]
    texts = [re.sub(r"\s+", " ", text) for text in (*spoken, *shown) if text]
    patterns = [
        re.escape(re.sub(r"<[^>]*>", "", english)).replace("%", r"\%") for english in ENGLISH
    ]
    wild = [re.sub(r"(?:\\%)+\\?\(\w+\\?\)[sd]", ".+", pattern) for pattern in patterns]
    return [t for t in texts if any(re.fullmatch(pattern, t) for pattern in wild)]


def test_english_is_noticed(as_leela: Client, document: Document) -> None:
    """The search below does find English where there is some."""
    found = english_in(as_leela.get("/").content.decode())
    assert {"Documents", "New document", "Search documents", "Being edited", "Free"} <= set(found)
    assert "1 active" in english_in("<span>1 active</span>")
    assert english_in("<p>Fry is editing</p>")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/?q=nothing+like+it",
        "/?show=mine",
        "/active/",
        "/documents/{pk}/",
        "/documents/{pk}/history/",
        "/documents/{pk}/edit/",
        "/documents/{busy}/edit/",
        "/documents/new/",
        "/profile/",
        "/password/",
        "/documents/4711/",
    ],
)
def test_no_page_mixes_languages(
    italian: Client, leela: Person, fry: Person, document: Document, url: str
) -> None:
    """Every page an Italian person opens is Italian throughout."""
    busy = documents.create(leela.pk, Content(title="Busy", text=""))
    editing.take(busy.pk, fry.pk)
    present(leela, fry, document)
    page = italian.get(url.format(pk=document.pk, busy=busy.pk), follow=True).content.decode()
    assert '<html lang="it"' in page
    assert english_in(page) == []


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["/login/", "/password/reset/", "/password/reset/sent/"])
def test_a_strangers_browser_chooses(stranger: Client, url: str) -> None:
    """Before signing in, the browser's language counts."""
    response = stranger.get(url, headers={"accept-language": "it-IT,it;q=0.9,en;q=0.5"})
    assert '<html lang="it"' in response.content.decode()
    assert english_in(response.content.decode()) == []


def present(leela: Person, fry: Person, document: Document) -> None:
    node = Node.objects.create(boot="b", host="h", pid=1)
    for person in (leela, fry):
        Connection.objects.create(
            node=node,
            page=person.username,
            user=person,
            subject=f"document:{document.pk}",
            mode="reading",
        )


@pytest.mark.django_db
def test_sentences_agree_with_their_subject(
    italian: Client, leela: Person, fry: Person, document: Document
) -> None:
    """You and the others, one and many: verbs follow."""
    present(leela, fry, document)
    page = italian.get(f"/documents/{document.pk}/").content.decode()
    assert "Tu, Fry state leggendo" in page
    assert "Tu · stai leggendo" in page
    assert "Fry · sta leggendo" in page
    assert "2 attivi" in page
    Connection.objects.filter(user=leela).delete()
    page = italian.get("/").content.decode()
    assert "Fry sta leggendo" in page
    assert "1 attivo<" in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("verb", "own", "sentence"),
    [
        ("created", False, "Fry ha creato Annual plan"),
        ("opened", False, "Fry ha aperto Annual plan"),
        ("opened", True, "Fry ha aperto il tuo documento Annual plan"),
        ("editing", False, "Fry sta modificando Annual plan"),
        ("editing", True, "Fry sta modificando il tuo documento Annual plan"),
        ("saved", False, "Fry ha salvato Annual plan"),
        ("saved", True, "Fry ha salvato il tuo documento Annual plan"),
    ],
)
def test_toasts_are_whole_sentences(
    fry: Person, document: Document, verb: str, own: bool, sentence: str
) -> None:
    """In the toast with its link, and in the browser's notification without."""
    activity = Activity(document=document, actor=fry, verb=verb, words_added=3)
    context = {"activity": activity, "you": document.author_id if own else None, "entry_id": "t"}
    with translation.override("it"):
        toast = render_to_string("partials/toast.html", context)
    assert sentence in re.sub(r"<[^>]*>", "", toast)
    assert re.search(rf'data-title="{sentence}\s*"', toast)
    assert english_in(toast) == []


@pytest.mark.parametrize(
    ("language", "earlier", "title"),
    [
        ("it", "5 marzo 2020", "giovedì 5 marzo 2020, 14:30"),
        ("en", "March 5, 2020", "March 5, 2020, 2:30 p.m."),
    ],
)
def test_dates_are_written_as_the_language_does(language: str, earlier: str, title: str) -> None:
    """Order, capitals and the clock; the machine's form stays."""
    at = datetime(2020, 3, 5, 14, 30, tzinfo=UTC)
    with translation.override(language):
        shown = when(at)
    assert f">{earlier}</time>" in shown
    assert f'title="{title}"' in shown
    assert 'datetime="2020-03-05T14:30:00+00:00"' in shown


def test_a_date_of_this_year_has_its_time() -> None:
    """The year would say nothing; the hour does."""
    at = datetime.now(UTC).replace(month=3, day=5, hour=14, minute=30)
    with translation.override("it"):
        assert ">5 marzo, 14:30</time>" in when(at)


def test_even_the_last_resort_is_translated(rf: RequestFactory) -> None:
    """The page for errors in our own code: without a context, in the right language."""
    with translation.override("it"):
        page = server_error(rf.get("/")).content.decode()
    assert '<html lang="it"' in page
    assert "Qualcosa è andato storto" in page
    assert english_in(page) == []
