"""Personal data: all of it is exported, all of it is erased, and nobody else's is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from PIL import Image

from collab import covers, personal, queries
from collab.errors import CannotErase
from collab.live import presence
from collab.live.models import Connection, Node
from collab.live.process import SIGNED_OUT, SWITCHED_OFF, Process
from collab.live.testing import announced, eventually, visit
from collab.models import Activity, Document, Draft, Heading, Invitation, Person, SignIn
from collab.models.person import STAND_IN
from collab.operations import (
    documents,
    drafts,
    editing,
    erasure,
    headings,
    people,
    reading,
    sharing,
    trash,
)
from collab.operations.documents import Content
from collab.subjects import PEOPLE, heading, pen, subject_of

pytestmark = pytest.mark.django_db

#: What nobody else has in their name, address or secrets.
TOKENS = ("turanga", "Munda", "Xmas", "mutant@orphanarium.example")


def picture() -> str:
    made = BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(made, "PNG")
    return covers.store(SimpleUploadedFile("c.png", made.getvalue(), "image/png"))


@pytest.fixture
def turanga(make_person: Any) -> Person:
    """Who is everywhere, with a name that is nowhere else."""
    person: Person = make_person(
        "turanga",
        display_name="Munda Xmas",
        first_name="Munda",
        last_name="Xmas",
        email="mutant@orphanarium.example",
    )
    return person


@pytest.fixture
def lived(turanga: Person, fry: Person) -> Document:
    """A document of Fry's, after Turanga has left a trace in every place there is."""
    fry.role = Person.Role.OWNER
    fry.save()
    own = documents.create(turanga.pk, Content("Her plan", "Hers.\n", picture()))
    thrown = documents.create(turanga.pk, Content("Her rubbish", "Old.\n"))
    trash.move(thrown.pk, turanga.pk)
    common = documents.create(fry.pk, Content("Common", "First.\n"))
    fence = editing.take(common.pk, turanga.pk)
    assert fence
    documents.save(common.pk, turanga.pk, "Second.\n", fence=fence, version=1)
    drafts.keep(common.pk, turanga.pk, text="Her secret.\n", sequence=1, fence=fence, version=2)
    Document.objects.filter(pk=common.pk).update(seized_for="Munda has to go")
    assert headings.take(common.pk, turanga.pk)
    reading.mark(common.pk, turanga.pk, 2)
    # What Fry has of his own, and she is named in.
    taken = editing.take(own.pk, fry.pk)
    assert taken
    drafts.keep(own.pk, fry.pk, text="His own.\n", sequence=1, fence=taken, version=1)
    drafts.offer(own.pk, fry.pk, taken, turanga.pk)
    assert editing.ask(own.pk, turanga.pk)
    assert headings.take(own.pk, fry.pk)
    Heading.objects.filter(pk=own.pk).update(asked_by=turanga)
    reading.mark(common.pk, fry.pk, 1)
    wrong = {"username": "turanga", "password": "wrong"}
    for typed in (wrong, {**wrong, "username": "TURANGA"}):
        Client(headers={"host": "127.0.0.1"}).post("/login/", typed)
    sharing.give(common.pk, turanga.pk, may_edit=True, actor=fry.pk)
    sharing.give(own.pk, fry.pk, may_edit=True, actor=turanga.pk)
    for person, document in ((turanga, own), (fry, common)):
        sharing.make_link(document.pk, person.pk, 7)
        people.invite(Person.Role.GUEST, actor=person.pk)
    Invitation.objects.filter(made_by=fry).update(used_by=turanga)
    people.invite(Person.Role.GUEST, actor=fry.pk)
    node = Node.objects.create(boot="b", host="h", pid=1)
    for number, person in enumerate((turanga, fry)):
        Connection.objects.create(
            node=node, page=str(number), user=person, subject=subject_of(common.pk), mode="reading"
        )
        Client(headers={"user-agent": f"{person.name}'s browser"}).force_login(person)
        LogEntry.objects.create(
            user=person,
            content_type=ContentType.objects.get_for_model(Person),
            object_id=str(turanga.pk if person == fry else fry.pk),
            object_repr=str(turanga if person == fry else fry),
            action_flag=CHANGE,
        )
    return common


Tables = Mapping[type[models.Model], list[dict[str, Any]]]


def everything() -> Tables:
    """Every row of every table."""
    return {
        model: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models(include_auto_created=True)
    }


def written(tables: Tables) -> str:
    """All texts in them, sessions read."""
    sessions = [session.get_decoded() for session in SignIn.objects.all()]
    return repr([tables, sessions])


def test_every_column_that_names_a_person_has_a_rule() -> None:
    """A new one needs a line in ``personal.RULES``: what is exported of it, and what
    becomes of it."""
    ruled = [(rule.model, rule.column) for rule in personal.RULES]
    assert len(ruled) == len(set(ruled))
    assert set(ruled) == personal.columns()
    for rule in personal.RULES:
        column = apps.get_model(rule.model)._meta.get_field(rule.column)
        if rule.fate in (personal.Fate.FORGETS, personal.Fate.WITHDRAWS, personal.Fate.RETURNS):
            assert column.null, rule


def test_nobody_is_named_by_anything_else() -> None:
    """A column with a user name, an address or the like in another table would be
    missed: it needs a rule of its own, and a line here."""
    words = ("username", "email", "address", "agent", "name_of")
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model is not Person
        for field in model._meta.get_fields()
        if field.concrete and any(word in field.name for word in words)
    }
    emptied = {f"{rule.model}.{column}" for rule in personal.RULES for column in rule.emptied}
    gone = {"collab.SignIn.agent", "collab.SignIn.address"}
    # What was tried under a name goes with the name, see ``operations.erasure``.
    assert {one for one in found if not one.startswith("axes.")} == emptied | gone


def test_the_scene_leaves_no_rule_out(lived: Document, turanga: Person) -> None:
    """Or the tests below would prove nothing for it."""
    assert [rule for rule, _ in personal.counts(turanga)] == list(personal.RULES)


def exported(path: Path, username: str = "turanga") -> tuple[zipfile.ZipFile, dict[str, Any]]:
    call_command("export_person", username, str(path), stdout=StringIO())
    archive = zipfile.ZipFile(path)
    assert archive.testzip() is None
    return archive, json.loads(archive.read("person.json"))


def test_an_export_has_all_that_is_held_of_a_person(
    lived: Document, turanga: Person, tmp_path: Path
) -> None:
    """Their documents with covers, the trash included; unsaved texts; and of each
    rule, what it says."""
    archive, records = exported(tmp_path / "turanga.zip")
    draft = Draft.objects.get(person=turanga)
    with archive:
        assert sorted(archive.namelist()) == [
            "documents/her-plan.md",
            "documents/her-plan.webp",
            "documents/her-rubbish.md",
            f"drafts/common-{draft.pk}.md",
            "person.json",
        ]
        assert archive.read("documents/her-plan.md").decode() == "# Her plan\n\nHers.\n"
        assert archive.read(f"drafts/common-{draft.pk}.md").decode() == "Her secret.\n"
    assert records["account"]["email"] == "mutant@orphanarium.example"
    for rule in personal.RULES:
        assert len(records[rule.what]) == rule.rows(turanga).count() > 0
        assert set(records[rule.what][0]) == set(rule.exported)
    assert [each["title"] for each in records["versions saved"]] == [
        "Her plan",
        "Her rubbish",
        "Common",
    ]
    assert len(records["changes to the account"]) == 1


def test_an_export_has_nothing_of_anybody_else(
    lived: Document, fry: Person, turanga: Person, tmp_path: Path
) -> None:
    """No text and no name of others, and no secret of one's own."""
    (session,) = SignIn.objects.filter(person=turanga)
    archive, _ = exported(tmp_path / "turanga.zip")
    with archive:
        said = b"".join(archive.read(name) for name in archive.namelist()).decode("latin-1")
    for secret in ("His own", "First.", turanga.password, session.session_key):
        assert secret not in said
    assert "fry" not in said.lower()


def test_an_export_is_for_its_reader_alone(lived: Document, tmp_path: Path) -> None:
    """Nobody else on the machine reads it, and nothing is overwritten."""
    path = tmp_path / "turanga.zip"
    exported(path)[0].close()
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(CommandError, match="File exists"):
        call_command("export_person", "turanga", str(path))
    with pytest.raises(CommandError, match="nobody with the username 'nobody'"):
        call_command("export_person", "nobody", str(path))


def test_nothing_names_an_erased_person(lived: Document, turanga: Person) -> None:
    """In no column of no table, and in no session."""
    before = written(everything())
    assert all(token in before for token in TOKENS)
    erasure.erase(turanga.pk)
    after = written(everything())
    for token in TOKENS:
        assert token not in after
    assert "Her secret" not in after


def test_others_and_history_stay_whole(lived: Document, fry: Person, turanga: Person) -> None:
    """Row by row: what stays differs in the name alone, and what is gone was hers."""
    before = everything()
    erasure.erase(turanga.pk)
    after = everything()
    stand_in = Person.objects.get(username=STAND_IN)
    assert stand_in not in queries.accounts()
    fates: dict[str, dict[str, personal.Fate]] = {}
    for rule in personal.RULES:
        fates.setdefault(rule.model, {})[f"{rule.column}_id"] = rule.fate
    for model, rows in before.items():
        kept = {row[model._meta.pk.attname]: row for row in after[model]}
        for row in rows:
            here = fates.get(model._meta.label, {})
            hers = {here[column] for column in here if row[column] == turanga.pk}
            now = kept.get(row[model._meta.pk.attname])
            if personal.Fate.GOES in hers or _is_hers(model, row, turanga):
                assert now is None, row
                continue
            assert now is not None, row
            expected = dict(row)
            for column, fate in here.items():
                if row[column] == turanga.pk:
                    expected[column] = stand_in.pk if fate is personal.Fate.STAYS else None
            free = personal.Fate.RETURNS in hers or personal.Fate.WITHDRAWS in hers
            _assert_same(expected, now, but=_LEASE if free else _NAME)


_LEASE = frozenset(
    {"held_at", "expires_at", "active_at", "asked_at", "asked_for", "yields_at", "seized_for"}
)
_NAME = frozenset({"object_repr", "address"})


def _is_hers(model: type[models.Model], row: Mapping[str, Any], person: Person) -> bool:
    if model._meta.app_label == "axes":
        return bool(row["username"].lower() == person.username)
    return model is Person and bool(row["id"] == person.pk)


def _assert_same(expected: Mapping[str, Any], now: Mapping[str, Any], but: frozenset[str]) -> None:
    def rest(row: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in row.items() if name not in but}

    assert rest(now) == rest(expected)


def test_what_an_erased_person_held_is_free(
    lived: Document, fry: Person, turanga: Person, django_capture_on_commit_callbacks: Any
) -> None:
    """Pens and headings, at once; what they waited for goes on as if they had not."""
    own = Document.objects.get(heading__title="Her plan")
    assert Document.objects.get(pk=lived.pk).holder == turanga
    with announced() as topics, django_capture_on_commit_callbacks(execute=True):
        erasure.erase(turanga.pk)
    assert {pen(lived.pk), heading(lived.pk), pen(own.pk), PEOPLE} <= topics
    nobodys = {"holder": None, "held_at": None, "expires_at": None, "active_at": None}
    assert Document.objects.filter(pk=lived.pk, **nobodys).exists()
    assert {presence.EVERYBODY, presence.topic(subject_of(lived.pk))} <= topics
    assert editing.take(lived.pk, fry.pk)
    assert headings.take(lived.pk, fry.pk)
    kept = Document.objects.get(pk=own.pk)
    assert (kept.holder, kept.asked_by, kept.asked_at) == (fry, None, None)


def test_all_who_were_erased_are_one(lived: Document, fry: Person, make_person: Any) -> None:
    """Nothing tells which of their traces belong together. Nobody can be them."""
    bender = make_person("bender")
    documents.create(bender.pk, Content("Bending", "Steel.\n"))
    erasure.erase(bender.pk)
    erasure.erase(Person.objects.get(username="turanga").pk)
    authors = Document.objects.filter(heading__title__in=("Bending", "Her plan"))
    assert set(authors.values_list("author__username", flat=True)) == {STAND_IN}
    stand_in = Person.objects.get(username=STAND_IN)
    assert not stand_in.is_active
    assert not stand_in.has_usable_password()
    assert stand_in.name == "Former member"
    with pytest.raises(CannotErase, match="stands in"):
        erasure.erase(stand_in.pk)


def test_others_read_on(lived: Document, as_fry: Client, turanga: Person) -> None:
    """Every page that showed the name says *Former member*."""
    erasure.erase(turanga.pk)
    own = Document.objects.get(heading__title="Her plan")
    for path in ("", "history/", "history/1/"):
        page = as_fry.get(f"/documents/{own.pk}/{path}", follow=True)
        assert page.status_code == 200
        assert "Former member" in page.content.decode()
    assert as_fry.get("/").status_code == 200
    assert as_fry.get("/trash/").status_code == 200


def test_an_erasure_is_whole_or_can_be_completed(
    lived: Document, turanga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it breaks off, they are shut out, and everything else is as it was; then
    it is done again."""
    before = everything()

    def fails(self: Person) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr(Person, "delete", fails)
        with pytest.raises(RuntimeError):
            erasure.erase(turanga.pk)
    assert not Person.objects.get(pk=turanga.pk).is_active
    assert not SignIn.objects.filter(person=turanga).exists()
    after = everything()
    shut_out = {Person, SignIn}
    for model in set(before) - shut_out:
        assert after[model] == before[model]
    erasure.erase(turanga.pk)
    assert not Person.objects.filter(username="turanga").exists()


def test_an_erasure_refuses_what_would_do_harm(
    lived: Document, fry: Person, turanga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last owner, a table that nobody has thought of, a real account in
    the stand-in's place. Nothing is changed then."""
    before = everything()
    with pytest.raises(CannotErase, match="Nobody else owns"):
        erasure.erase(fry.pk)
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "RULES", personal.RULES[1:])
        with pytest.raises(CannotErase, match=r"what becomes of collab\.Document\.author"):
            erasure.erase(turanga.pk)
    assert everything() == before
    Person.objects.create_user("impostor", password="planet-express")
    Person.objects.filter(username="impostor").update(username=STAND_IN)  # past everything
    with pytest.raises(CannotErase, match="Give them another"):
        erasure.erase(turanga.pk)
    assert Person.objects.get(pk=turanga.pk).is_active


def erased(*options: str, typed: str = "", monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the command; returns what it says."""
    out = StringIO()
    monkeypatch.setattr("sys.stdin", StringIO(typed))
    call_command("erase_person", "turanga", *options, stdout=out)
    return out.getvalue()


def test_the_command_says_what_it_would_do_and_asks(
    lived: Document, turanga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run changes nothing, and neither does a wrong answer, or none."""
    before = everything()
    plan = erased("--dry-run", monkeypatch=monkeypatch)
    assert "2 documents written: each stays, without a name" in plan
    assert "1 unsaved texts: each is deleted" in plan
    assert "1 sign-ins: each is deleted" in plan
    assert "Nothing was changed" in plan
    for typed in ("", "yes\n", "fry\n"):
        with pytest.raises(CommandError, match="not the username"):
            erased(typed=typed, monkeypatch=monkeypatch)
    assert everything() == before
    assert "Erased" in erased(typed="turanga\n", monkeypatch=monkeypatch)
    assert not Person.objects.filter(username="turanga").exists()
    after = everything()
    with pytest.raises(CommandError, match="nobody with the username 'turanga'"):
        erased("--yes", monkeypatch=monkeypatch)
    assert everything() == after


def test_the_command_need_not_ask(lived: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    """For scripts; but it refuses as ever."""
    assert "Erased" in erased("--yes", monkeypatch=monkeypatch)
    with pytest.raises(CommandError, match="Nobody else owns"):
        call_command("erase_person", "fry", "--yes", stdout=StringIO())


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_in_the_name_of_somebody_who_is_gone(
    document: Document, fry: Person
) -> None:
    """What had begun before, and ends after, does not take place."""

    def erase() -> None:
        try:
            erasure.erase(fry.pk)
        finally:
            connection.close()

    with pytest.raises(IntegrityError), transaction.atomic():
        Activity.objects.create(document=document, actor=fry, verb=Activity.Verb.OPENED)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(erase).result()
    assert not Activity.objects.exclude(actor=document.author).exists()


@pytest.mark.django_db(transaction=True)
async def test_open_pages_of_an_erased_person_close(
    engine: Process, document: Document, fry: Person, leela: Person
) -> None:
    """Switched off first, and gone at once; Leela sees that Fry is no more here."""
    url = document.get_absolute_url()
    async with visit(leela, url) as hers, visit(fry, url) as his:
        await eventually(lambda: Activity.objects.filter(actor=fry, verb="opened").exists())
        await hers.until(lambda: "Fry" in hers.regions[f"document_people-{document.pk}"])
        await sync_to_async(erasure.erase)(fry.pk)
        assert await his.is_closed() in {SIGNED_OUT, SWITCHED_OFF}
        await eventually(lambda: not Connection.objects.exclude(user=leela).exists())
        await hers.until_current("toasts")
        assert "Fry" not in hers.regions[f"document_people-{document.pk}"]
