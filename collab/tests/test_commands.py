"""Importing files, filling the demo, and starting only when it is safe."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from pytest_django import Settings

from collab.models import Document, Person

pytestmark = pytest.mark.django_db

GUIDES = Path(__file__).resolve().parents[1] / "guides"


def imported(*paths: Path, author: str = "leela") -> tuple[str, str]:
    """Run the import; returns its output and its complaint."""
    out, progress = StringIO(), StringIO()
    try:
        call_command(
            "import_markdown", *map(str, paths), author=author, stdout=out, stderr=progress
        )
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_a_folder_is_imported(leela: Person, tmp_path: Path) -> None:
    """Titles from headings or file names, below folders too, other files left out."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.md").write_text("# First\n\nText.\n")
    (tmp_path / "deep" / "second-note.md").write_text("\ufeffNo heading.\r\n")
    (tmp_path / "c.txt").write_text("not this one")
    out, complaint = imported(tmp_path)
    assert "2 documents imported" in out
    assert complaint == ""
    assert set(Document.objects.values_list("heading__title", "text")) == {
        ("First", "Text.\n"),
        ("Second note", "No heading.\n"),
    }


def test_a_bad_file_does_not_stop_the_others(leela: Person, tmp_path: Path) -> None:
    """Each is named with its fault, and none is half-imported."""
    (tmp_path / "a-latin.md").write_bytes("# Gr\xfc\xdfe".encode("latin-1"))
    (tmp_path / "b-good.md").write_text("# Good")
    (tmp_path / "c-long.md").write_text("x" * 200_001)
    (tmp_path / "d-nul.md").write_text("a\x00b")
    (tmp_path / "e-gone.md").symlink_to(tmp_path / "nowhere")
    out, complaint = imported(tmp_path, tmp_path / "f-missing.md")
    assert "1 documents imported" in out
    for name, fault in (
        ("a-latin.md", "not UTF-8"),
        ("c-long.md", "200 KB"),
        ("d-nul.md", "NUL"),
        ("f-missing.md", "cannot be read"),
    ):
        assert name in complaint
        assert fault in complaint
    assert Document.objects.get().title == "Good"


def test_the_import_wants_an_author(leela: Person, tmp_path: Path) -> None:
    """An unknown name, or no admin to fall back on: said, not guessed."""
    (tmp_path / "a.md").write_text("# A")
    assert "no active person" in imported(tmp_path, author="nobody")[1]
    assert "no admin yet" in imported(tmp_path, author="")[1]
    (tmp_path / "empty").mkdir()
    assert "no .md files" in imported(tmp_path / "empty")[1]
    leela.role = Person.Role.OWNER
    leela.save()
    assert imported(tmp_path, author="")[1] == ""


def test_the_demo_fills_an_empty_database_once(settings: Settings) -> None:
    """Five people and a dozen guides; a second time nothing."""
    settings.DEMO = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    call_command("demo", stdout=StringIO())
    names = {"leela", "fry", "bender", "zoidberg", "hermes"}
    assert set(Person.objects.values_list("username", flat=True)) == names
    assert Person.objects.get(username="hermes").is_superuser
    count = Document.objects.count()
    assert count >= 12
    call_command("demo", stdout=StringIO())
    assert Document.objects.count() == count


def test_there_are_no_demo_accounts_without_demo_mode(settings: Settings) -> None:
    """Their password is public."""
    settings.DEMO = False
    with pytest.raises(CommandError, match="public password"):
        call_command("demo")
    assert not Person.objects.exists()


def test_every_guide_is_worth_reading() -> None:
    """Real documents: a title, some length, and no filler."""
    guides = sorted(GUIDES.glob("*.md"))
    assert len(guides) >= 12
    for guide in guides:
        text = guide.read_text()
        assert text.startswith("# "), guide.name
        assert len(text.split()) > 150, guide.name
        assert "lorem" not in text.lower()


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py as somebody would, with only this environment."""
    inherited = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, str(django_settings.BASE_DIR / "manage.py"), *arguments],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_production_refuses_to_start_without_a_secret_key(tmp_path: Path) -> None:
    """And says how to make one."""
    result = manage("check", DATA_DIR=str(tmp_path))
    assert result.returncode != 0
    assert "Set SECRET_KEY" in result.stderr


def test_several_processes_without_redis_are_refused(tmp_path: Path) -> None:
    """The in-memory layer serves one process."""
    result = manage("check", DATA_DIR=str(tmp_path), SECRET_KEY="x", PROCESSES="2")
    assert result.returncode != 0
    assert "live.E002" in result.stderr


def test_a_wsgi_server_without_redis_is_refused(tmp_path: Path) -> None:
    """It is a second process beside the socket server."""
    result = manage("shell", "-c", "import project.wsgi", DATA_DIR=str(tmp_path), SECRET_KEY="x")
    assert result.returncode != 0
    assert "Set REDIS_URL" in result.stderr


def test_the_deployment_check_is_clean(tmp_path: Path) -> None:
    """In production settings Django's own check finds nothing."""
    result = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        DATA_DIR=str(tmp_path),
        SECRET_KEY="k" * 20 + "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF",
        ORIGINS="https://collab.example",
        ALLOWED_HOSTS="collab.example",
    )
    assert result.returncode == 0, result.stderr


def test_a_demo_keeps_its_own_key(tmp_path: Path) -> None:
    """Readable by its owner only, and the same at the next start."""
    assert manage("check", DATA_DIR=str(tmp_path), DEMO="1").returncode == 0
    key = (tmp_path / "secret_key").read_text()
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
    assert manage("check", DATA_DIR=str(tmp_path), DEMO="1").returncode == 0
    assert (tmp_path / "secret_key").read_text() == key
