"""Backups: whole while somebody writes, refused where they would do harm, and put
back row by row and byte by byte. Every command is a process of its own.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from unittest.mock import MagicMock, Mock

import pytest
from django.db import connection
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from collab.backups import BackupError, database, make, postgres, restoring, verify
from collab.backups.archive import CHUNK_BYTES, MANIFEST, Archive
from collab.backups.errors import BadArchive
from collab.models import Person
from collab.tests.places import Place, Rows, text_of
from e2e.lengths import length
from e2e.services import postgres_binaries

pytestmark = pytest.mark.django_db(transaction=True)

MakePlace = Callable[[str], Place]
SESSIONS = "collab_signin"


@pytest.fixture
def place(tmp_path: Path) -> MakePlace:
    return lambda name: Place.made(tmp_path / name)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with the demo in it, and somebody signed in."""
    made = Place.made(tmp_path_factory.mktemp("demo") / "place")
    made.environment["DEMO"] = "1"
    made.does("migrate", "--verbosity", "0")
    made.does("demo")
    made.runs(
        "from django.test import Client; from collab.models import Person; "
        "Client().force_login(Person.objects.get(username='fry'))"
    )
    return made


@pytest.fixture
def filled(demo: Place, tmp_path: Path) -> Place:
    """A copy of it."""
    return demo.copied(tmp_path / "filled")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's programs are in PATH, where that is the database."""
    if connection.vendor == "postgresql":
        monkeypatch.setenv("PATH", f"{postgres_binaries()}{os.pathsep}{os.environ['PATH']}")


def archives_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.zip"))


def after(saves: int, output: IO[str]) -> None:
    """Wait for so many saves."""
    for _ in range(saves):
        assert output.readline()


def test_a_backup_is_whole_while_somebody_writes(filled: Place, place: MakePlace) -> None:
    """Each of two backups, made beside a writer, is the workspace of one moment: no
    version without its revision, activity and cover, nothing out of order, and nothing
    missing that had been saved before it began."""
    names = ("one", "two")
    with filled.writing() as writer:
        assert writer.stdout
        for name in names:
            after(12, writer.stdout)
            filled.does("backup", str(filled.folder / f"{name}.zip"))
    now, pictures = filled.rows(), filled.media
    counts = []
    for name in names:
        there = place(name)
        there.does("restore", str(filled.folder / f"{name}.zip"))
        counts.append(_is_of_one_moment(there, now, pictures))
    assert counts == sorted(set(counts))  # somebody did write meanwhile
    assert all(count >= 12 * number for number, count in enumerate(counts, 1))


def _is_of_one_moment(there: Place, now: Mapping[str, Rows], pictures: Mapping[str, bytes]) -> int:
    """Is this a state that the other place went through?

    Returns:
        How often the writer had saved.
    """
    found, media = there.rows(), there.media
    for table in ("collab_activity", "collab_revision"):  # nothing in there is ever changed
        assert list(found[table]) == list(now[table])[: len(found[table])]
    columns = there.columns("collab_document", "id", "version", "text", "author_id")
    writer = max(author for _, _, _, author in columns)
    revisions = there.columns("collab_revision", "document_id", "version", "cover")
    written = [row for row in columns if row[3] == writer]
    assert written
    for pk, version, text, _ in written:
        assert text == text_of(version)
        assert sorted(v for d, v, _ in revisions if d == pk) == list(range(1, version + 1))
    covers = {cover for _, _, cover in revisions if cover}
    assert covers
    # A picture that no row names yet may still have been written just then.
    for name in (f"covers/{cover}" for cover in covers):
        assert media[name] == pictures[name]
    return sum(version for _, version, _, _ in written)


def test_what_is_committed_is_in_it_and_nothing_else(
    tmp_path: Path, programs: None, fry: Person
) -> None:
    """What was committed just before, wherever the database keeps it yet; and not what
    somebody is about to write."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE collab_person SET display_name = 'Nibbler'")
        path, manifest = make(tmp_path / "b.zip")
    finally:
        other.rollback()
        other.close()
    with zipfile.ZipFile(path) as archive:
        dumped = archive.read(manifest.database)
    assert b"fry" in dumped
    assert b"Nibbler" not in dumped


def test_pictures_of_the_last_minute_wait_for_the_database(
    tmp_path: Path, settings: Settings, programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is being written when the backup begins is in it whole, one that comes
    meanwhile too, and one that is deleted for good meanwhile is there still."""
    media = Path(settings.MEDIA_ROOT) / "covers"
    media.mkdir(parents=True)
    for name in ("old", "young"):
        (media / name).write_text("half")
    os.utime(media / "old", (1, 1))
    dump = database.kind().dump

    def meanwhile(to: Path) -> None:
        (media / "young").write_text("half and half")
        (media / "new").write_text("new")
        (media / "old").unlink()
        dump(to)

    monkeypatch.setattr(database.kind(), "dump", meanwhile)
    path, _ = make(tmp_path / "b.zip")
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if "covers" in name}
    assert found == {
        "media/covers/old": b"half",
        "media/covers/young": b"half and half",
        "media/covers/new": b"new",
    }


def test_a_restored_place_is_the_same_row_by_row(filled: Place, place: MakePlace) -> None:
    """Every row of every table, every file; but everybody has to sign in again. And
    life goes on there: the counters know what has been given out."""
    with filled.writing() as writer:
        assert writer.stdout
        after(8, writer.stdout)
    filled.does("backup", str(filled.folder))
    (archive,) = archives_in(filled.folder)
    assert archive.stat().st_mode & 0o077 == 0
    there = place("there")
    said = there.does("restore", str(archive))
    before, restored = dict(filled.rows()), dict(there.rows())
    assert len(before) > 15
    assert len(before.pop(SESSIONS)) == 1
    assert restored.pop(SESSIONS) == []
    assert restored == before
    assert len(filled.media) >= 2
    assert there.media == filled.media
    assert "1. manage.py collectstatic" in said  # nothing to migrate
    assert "SECRET_KEY" in said
    with there.writing() as writer:
        assert writer.stdout
        after(6, writer.stdout)
    assert len(there.rows()["collab_document"]) > len(filled.rows()["collab_document"])


def test_a_restore_refuses_a_place_that_is_not_empty(
    filled: Place, demo: Place, tmp_path: Path, place: MakePlace
) -> None:
    """Unless told; then what was there is gone, pictures too. A place that was only
    migrated is empty."""
    archive = str(filled.folder / "b.zip")
    filled.does("backup", archive)
    other = demo.copied(tmp_path / "other")
    other.runs("from collab.models import Activity; Activity.objects.all().delete()")
    (other.folder / "media").mkdir()
    (other.folder / "media" / "somebodys").write_text("picture")
    before = other.rows(), other.media
    assert "There are people" in other.refuses("restore", archive)
    assert (other.rows(), other.media) == before
    other.does("restore", archive, "--replace")
    assert other.rows()["collab_activity"] == filled.rows()["collab_activity"]
    assert other.media == {}
    bare = place("bare")
    bare.does("migrate", "--verbosity", "0")
    (bare.folder / "media").mkdir()
    (bare.folder / "media" / "somebodys").write_text("picture")
    assert "There are files" in bare.refuses("restore", archive)
    (bare.folder / "media" / "somebodys").unlink()
    bare.does("restore", archive)


def test_a_restore_refuses_while_a_server_runs(filled: Place) -> None:
    """It would go on with what it knows."""
    filled.does("backup", str(filled.folder / "b.zip"))
    filled.runs(
        "from datetime import timedelta; from django.db.models.functions import Now; "
        "from collab.live.models import Node; Node.objects.create(boot='b', "
        "host='planet-express', pid=7, seen_at=Now() + timedelta(hours=1))"
    )
    before = filled.rows()
    said = filled.refuses("restore", str(filled.folder / "b.zip"), "--replace")
    assert "planet-express:7" in said
    assert filled.rows() == before


def changed(archive: Path, name: str, content: bytes | None) -> Path:
    """A copy of an archive in which a member is another, or none."""
    to = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(to, "w") as copy:
        for member in source.namelist():
            if member != name:
                copy.writestr(member, source.read(member))
            elif content is not None:
                copy.writestr(member, content)
    return to


def test_a_damaged_backup_is_refused_before_anything_is_touched(
    filled: Place, place: MakePlace
) -> None:
    """Whatever is damaged, missing, or too much; and ``--check`` finds the same."""
    with filled.writing() as writer:
        assert writer.stdout
        after(2, writer.stdout)
    good = filled.folder / "b.zip"
    filled.does("backup", str(good))
    assert "undamaged" in filled.does("restore", "--check", str(good))
    with zipfile.ZipFile(good) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        (picture, *_) = [name for name in manifest["members"] if name.startswith("media/")]
        data = archive.read(manifest["database"])
    flipped = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
    with pytest.raises(BackupError, match="just what its manifest names"):
        verify(changed(good, picture, None))
    bad = changed(good, manifest["database"], flipped)
    assert "checksum" in filled.refuses("restore", "--check", str(bad))
    there = place("there")
    assert "checksum" in there.refuses("restore", str(bad))
    assert there.media == {}
    assert not there.has_tables()
    cut = filled.folder / "cut.zip"
    cut.write_bytes(good.read_bytes()[:-200])
    for path in (cut, filled.folder / "nowhere.zip"):
        with pytest.raises(BackupError, match="cannot be read as a backup"):
            verify(path)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A small one, made by hand: whose manifest is true."""
    path = tmp_path / "made.zip"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    manifest = {
        "format": 1,
        "made_at": "2026-01-01T00:00:00+00:00",
        "engine": connection.vendor,
        "database": "database",
        "migrations": [],
        "members": {"database": {"size": 0, "sha256": empty}},
    }
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("database", b"")
        made.writestr(MANIFEST, json.dumps(manifest))
    return path


def told(archive: Path, **otherwise: object) -> Path:
    """The same archive with another manifest."""
    with zipfile.ZipFile(archive) as opened:
        manifest = json.loads(opened.read(MANIFEST))
    return changed(archive, MANIFEST, json.dumps({**manifest, **otherwise}).encode())


def test_a_manifest_is_believed_only_so_far(archive: Path) -> None:
    """Another format, no manifest at all, paths that lead elsewhere."""
    assert verify(archive).members["database"].size == 0
    with pytest.raises(BackupError, match="format 2"):
        verify(told(archive, format=2))
    faults: list[dict[str, object]] = [
        {"members": 7},
        {"members": {"database": {}}},
        {"more": 1},
    ]
    for broken in faults:
        with pytest.raises(BackupError, match="cannot be read"):
            verify(told(archive, **broken))
    with pytest.raises(BackupError, match="no readable manifest"):
        verify(changed(archive, MANIFEST, None))
    member = verify(archive).members["database"]
    said = {"size": member.size, "sha256": member.sha256}
    for name in ("media/../../settings.py", "/etc/passwd", "media/", "media//x", "elsewhere"):
        path = told(archive, members={"database": said, name: said})
        with zipfile.ZipFile(path, "a") as opened:
            opened.writestr(name, b"")
        with pytest.raises(BackupError, match="unknown kind"):
            verify(path)


def verified_and_extracted(path: Path, to: Path) -> None:
    """As much of a restore as reads the archive."""
    with Archive.open(path) as opened:
        opened.verify()
        to.mkdir()
        opened.extract(opened.manifest.database, to / "database")
        restoring._put_media(opened, to)


PICTURE = b"picture" * 40
SMALL: dict[str, bytes] = {"database": b"rows" * 100, "media/covers/a.webp": PICTURE}


def written(members: list[tuple[str, bytes]], manifest: object, how: int) -> bytes:
    """An archive with these members, and whatever is said of them."""
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", how) as opened:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, content in members:
            opened.writestr(name, content)
        opened.writestr(MANIFEST, json.dumps(manifest))
    return made.getvalue()


def manifest_of(members: list[tuple[str, bytes]]) -> dict[str, object]:
    said = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members
    }
    head = {"format": 1, "made_at": "", "engine": "x", "database": "database", "migrations": []}
    return {**head, "members": said}


GOOD = written(list(SMALL.items()), manifest_of(list(SMALL.items())), zipfile.ZIP_DEFLATED)
NAMES = st.sampled_from(
    [
        *("../out", "media/../../out", "/tmp/out", "media//out", "media/./out", "media/", "media"),
        *("media/covers/a.webp", "media\\..\\out", "media/..", "manifest.json", "C:\\out", " "),
        *("media/a\x00b", "media/covers", "media/" + "x" * 300, "media/covers/a.webp/b"),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(["format", "made_at", "engine", "database", "migrations", "members", "x"])
DAMAGED = st.one_of(
    st.binary(max_size=100),
    st.integers(0, len(GOOD) - 1).map(lambda end: GOOD[:end]),
    st.lists(
        st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4
    ).map(lambda flips: flipped(GOOD, flips)),
    # Another name, told in the manifest or not.
    st.tuples(NAMES, st.booleans(), st.sampled_from([0, 8, 12, 14])).map(
        lambda given: renamed(*given)
    ),
    # Another size, another checksum, anything anywhere.
    st.tuples(FIELDS, ANYTHING).map(lambda given: saying(*given)),
    st.tuples(st.sampled_from(["size", "sha256"]), ANYTHING).map(lambda given: said_of(*given)),
)


def flipped(whole: bytes, flips: list[tuple[int, int]]) -> bytes:
    changed = bytearray(whole)
    for place, value in flips:
        changed[place] = value
    return bytes(changed)


def renamed(name: str, is_told: bool, how: int) -> bytes:
    members = [*SMALL.items(), (name, PICTURE)]
    return written(members, manifest_of(members if is_told else members[:2]), how)


def saying(field: str, value: object) -> bytes:
    members = list(SMALL.items())
    return written(members, {**manifest_of(members), field: value}, zipfile.ZIP_DEFLATED)


def said_of(field: str, value: object) -> bytes:
    said: dict[str, Any] = manifest_of(list(SMALL.items()))
    said["members"]["media/covers/a.webp"][field] = value
    return written(list(SMALL.items()), said, zipfile.ZIP_DEFLATED)


@hypothesis_settings(max_examples=length(300, full=10_000), deadline=None)
@given(DAMAGED)
@example(GOOD)
def test_a_bad_archive_is_refused_and_writes_nothing_elsewhere(data: bytes) -> None:
    """Whatever is in the file. What is no good is said to be so, and not by a trace; what
    is good brings what it held, to its place."""
    with TemporaryDirectory() as folder:
        around = Path(folder) / "around"
        around.mkdir()
        path = Path(folder) / "b.zip"
        path.write_bytes(data)
        media = around / "media"
        try:
            verified_and_extracted(path, media)
        except BadArchive:
            pass
        except OSError:  # a name that this disk does not take; a restore says so
            pass
        there = {one.relative_to(around).parts[0] for one in around.rglob("*")}
        assert there <= {"media"}
        assert {one.name for one in Path(folder).iterdir()} == {"around", "b.zip"}
        if data == GOOD:
            assert (media / "covers" / "a.webp").read_bytes() == PICTURE


def test_no_more_is_read_than_a_backup_has(tmp_path: Path) -> None:
    """A manifest of 400 MB takes 400 KB in a ZIP; and a member has the size that is said."""
    path = tmp_path / "bomb.zip"
    members = [("database", bytes(3 * CHUNK_BYTES))]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(MANIFEST, b" " * 4 * CHUNK_BYTES + b"{}")
    with pytest.raises(BadArchive, match="longer than its members explain"):
        verify(path)
    said: dict[str, Any] = manifest_of(members)
    said["members"]["database"]["size"] = 1
    path.write_bytes(written(members, said, zipfile.ZIP_DEFLATED))
    with pytest.raises(BadArchive, match="its size is another"):
        verify(path)


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_way_to_compress_is_refused(tmp_path: Path, how: int) -> None:
    path = tmp_path / "b.zip"
    members = list(SMALL.items())
    path.write_bytes(written(members, manifest_of(members), how))
    with pytest.raises(BadArchive, match="compressed in another way"):
        verify(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    """By its flag: nobody is asked for a password."""
    path = tmp_path / "b.zip"
    locked = bytearray(GOOD)
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := locked.find(sign, at + 1)) >= 0:
            locked[at + place] |= 1
    path.write_bytes(locked)
    with pytest.raises(BadArchive, match="no readable manifest"):
        verify(path)


def test_a_backup_of_elsewhere_is_refused(archive: Path, place: MakePlace) -> None:
    """Of the other kind of database, or of a release that knows more than this one."""
    there = place("there")
    said = there.refuses("restore", str(told(archive, engine="oracle")))
    assert "This is a backup of oracle" in said
    said = there.refuses("restore", str(told(archive, migrations=["collab.9999_later"])))
    assert "later release" in said
    assert "collab.9999_later" in said


def test_an_older_backup_says_what_to_migrate(filled: Place, place: MakePlace) -> None:
    """It is restored as it was, and then brought up to date by ``migrate``."""
    filled.runs(
        "from collab.models import *; from collab.live.models import *; "
        "Node.objects.all().delete()",
    )
    filled.does("migrate", "live", "0001", "--verbosity", "0")
    filled.does("backup", str(filled.folder / "b.zip"))
    there = place("there")
    said = there.does("restore", str(filled.folder / "b.zip"))
    assert "1. manage.py migrate" in said
    assert "live.0002_node_stats" in said
    there.does("migrate", "--verbosity", "0")
    there.does("check", "--database", "default")
    assert there.rows()["collab_person"] == filled.rows()["collab_person"]


def test_a_backup_overwrites_nothing(filled: Place) -> None:
    """And leaves nothing half-written behind."""
    kept = filled.folder / "kept.zip"
    kept.write_text("mine")
    assert "exists already" in filled.refuses("backup", str(kept))
    assert kept.read_text() == "mine"
    assert "no folder" in filled.refuses("backup", str(filled.folder / "none" / "b.zip"))
    assert [path.name for path in archives_in(filled.folder)] == ["kept.zip"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="pages are SQLite's")
def test_a_damaged_database_is_no_backup(filled: Place) -> None:
    """Better to hear of it from the backup than from the restore."""
    filled.runs(
        "from django.db import connection; "
        "connection.cursor().execute('PRAGMA wal_checkpoint(TRUNCATE)')",
    )
    path = filled.folder / "collab.sqlite3"
    data = bytearray(path.read_bytes())
    data[40960 : 40960 + 4096 * 3] = b"\xff" * 4096 * 3
    path.write_bytes(data)
    filled.refuses("backup", str(filled.folder / "b.zip"))
    assert archives_in(filled.folder) == []
    assert not [path for path in filled.folder.iterdir() if "backup" in path.name]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's programs")
def test_without_postgresqls_programs_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence for the administrator."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="no pg_dump: install PostgreSQL's client programs"):
        postgres.dump(tmp_path / "dump")
    program = tmp_path / "pg_dump"
    program.write_text(
        "#!/bin/sh\necho 'aborting because of server version mismatch' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    with pytest.raises(BackupError, match="Install the client programs of the server's version"):
        postgres.dump(tmp_path / "dump")


def loading(script: Path) -> str:
    """A program that plays a script into the database."""
    return (
        "from pathlib import Path; from collab.backups import postgres; "
        f"postgres.load(Path({str(script)!r}))"
    )


#: What somebody could write behind a dump, and what is said to it: most of it is what
#: psql would do here, or the server there.
CRAFTED = [
    ("ALTER TABLE public.no_such_table OWNER TO x;", "no_such_table"),
    ("\\! touch {there}", "does not end"),
    ("\\! touch {there}\n;", "no backup has"),
    ("\\restrict x\n\\! touch {there}\n;", "no backup has"),
    ("SELECT 1 \\g | touch {there}\n;", "no backup has"),
    ("COPY public.django_session TO PROGRAM 'touch {there}';", "no backup has"),
    ("COPY (SELECT 1) TO '{there}';", "no backup has"),
    ("COPY public.x (y) FROM PROGRAM 'touch {there}; FROM stdin';", "no backup has"),
    ("DO $$BEGIN COPY (SELECT 1) TO '{there}'; END$$;", "no backup has"),
    ("SET a = 'b'; COPY (SELECT 1) TO '{there}';", "no backup has"),
    ("ALTER TABLE public.x ADD y int; COPY (SELECT 1) TO '{there}';", "multiple commands"),
    (
        "ALTER TABLE public.x ADD y text DEFAULT E'\\''; COPY (SELECT 1) TO '{there}'; --';",
        "multiple commands",
    ),
    ("CREATE TABLE public.x (y text DEFAULT 'z;\n", "does not end"),
    ("COPY public.auth_group (id, name) FROM stdin;\n1\tx\n", "in the middle of a table"),
]
TOLD_BY_SERVER = {"no_such_table", "multiple commands"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's dump")
def test_a_script_that_no_backup_has_loses_and_does_nothing(filled: Place, tmp_path: Path) -> None:
    """The old tables are dropped in the transaction that makes the new ones, and nothing
    is asked of psql, nor of the server what a dump does not ask."""
    before = filled.rows()
    filled.does("backup", str(filled.folder / "b.zip"))
    script, there = tmp_path / "crafted.sql", tmp_path / "there"
    tmp_path.chmod(0o777)  # whoever the server is
    with zipfile.ZipFile(filled.folder / "b.zip") as opened:
        dumped = opened.read("database.sql")
    for said, answer in [one for one in CRAFTED if one[1] in TOLD_BY_SERVER] + CRAFTED[1:2]:
        script.write_bytes(dumped + said.replace("{there}", str(there)).encode())
        error = filled.manage("shell", "-c", loading(script)).stderr
        assert "BackupError" in error
        assert answer in error
        assert not there.exists()
    assert filled.rows() == before


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's dump")
def test_a_backup_by_a_later_pg_dump_fits_the_server(filled: Place, tmp_path: Path) -> None:
    """Its settings that this server does not know are left out, and so is what it says
    to psql."""
    script = tmp_path / "later.sql"
    filled.does("backup", str(filled.folder / "b.zip"))
    with zipfile.ZipFile(filled.folder / "b.zip") as opened:
        dumped = opened.read("database.sql")
    head, foot = b"\\restrict a7\n\nSET transaction_timeout = 0;\n", b"\n\\unrestrict a7\n"
    script.write_bytes(head + dumped + foot)
    before = filled.rows()
    filled.runs(loading(script))
    assert filled.rows() == before


@pytest.mark.parametrize("version", [(16, 2), (17, 0)])
def test_settings_are_left_out_for_servers_that_do_not_know_them(version: tuple[int, ...]) -> None:
    cursor = Mock()
    postgres._play(io.BytesIO(b"SET transaction_timeout = 0;\n"), cursor, version)
    assert cursor.execute.called is (version >= (17,))


@pytest.mark.parametrize(("said", "answer"), CRAFTED)
def test_nothing_is_sent_that_no_backup_has(said: str, answer: str) -> None:
    """But for what only the server can tell: that there are two statements."""
    cursor = MagicMock()
    if answer in TOLD_BY_SERVER:
        postgres._play(io.BytesIO(said.encode()), cursor, (16,))
        assert cursor.execute.call_args.kwargs == {"binary": True}
        return
    with pytest.raises(BackupError, match=answer):
        postgres._play(io.BytesIO(said.encode()), cursor, (16,))
    assert not cursor.execute.called


def test_statements_and_rows_are_told_apart() -> None:
    """Whatever stands in the rows, and wherever a semicolon is."""
    table = b"CREATE TABLE public.x (\n    y text DEFAULT 'a;\n;b'\n);\n"
    copy = b"COPY public.x (y) FROM stdin;\n"
    lines = b"it's;\n\\! touch x\nDROP TABLE x;\n"
    script = b"-- COPY x;\n" + table + b"\n" + copy + lines + b"\\.\n\nSET a = 'b';\n"
    cursor = MagicMock()
    rows: list[bytes] = []
    cursor.copy.return_value.__enter__.return_value.write = rows.append
    postgres._play(io.BytesIO(script), cursor, (16,))
    asked = [call.args[0] for call in cursor.execute.call_args_list]
    assert asked == [table.strip(), b"SET a = 'b';"]
    assert [call.args[0] for call in cursor.copy.call_args_list] == [copy.strip()]
    assert b"".join(rows) == lines
