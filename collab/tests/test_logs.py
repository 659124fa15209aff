"""What is written into the log, and what is kept out of it."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from collab.models import Document, Person
from project import logs

pytestmark = pytest.mark.django_db

Log = Callable[[], list[dict[str, Any]]]


def console(written_as: str, stream: io.StringIO) -> logging.Handler:
    """The handler of the settings, which writes elsewhere."""
    made = logging.StreamHandler(stream)
    configured = logging.config.DictConfigurator(logs.config(written_as, "INFO"))
    made.setFormatter(configured.configure_formatter(configured.config["formatters"][written_as]))
    made.addFilter(logs.AboutRequest())
    return made


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(params=[logs.JSON])
def written(request: pytest.FixtureRequest, stream: io.StringIO) -> Iterator[None]:
    """Everything is logged into ``stream``, in the form of the parameter."""
    added, root = console(request.param, stream), logging.getLogger()
    level = root.level
    root.addHandler(added)
    root.setLevel(logging.INFO)
    yield
    root.removeHandler(added)
    root.setLevel(level)


@pytest.fixture
def log(written: None, stream: io.StringIO) -> Log:
    """What was logged, each line a JSON object."""
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_answer_is_a_line_of_facts(
    as_leela: Client, leela: Person, document: Document, log: Log
) -> None:
    """By whom and about which document, as numbers, under the id that the client gets."""
    answer = as_leela.get(f"/documents/{document.pk}/some-title/?q=private")
    (line,) = log()
    assert line.pop("time").endswith("+00:00")
    assert line.pop("duration_ms") > 0
    assert line.pop("process")
    assert line.pop("message").startswith(f"GET /documents/{document.pk}/<slug>/ 200, ")
    assert line == {
        "level": "INFO",
        "logger": "collab.requests",
        "request": answer["X-Request-ID"],
        "person": leela.pk,
        "document": document.pk,
        "method": "GET",
        "path": f"/documents/{document.pk}/<slug>/",
        "status": 200,
    }


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/shared/s3cret-s3cret/", "/shared/<token>/"),
        ("/shared/s3cret-s3cret", "/shared/…"),  # redirected, to what ends with a slash
        ("/password/reset/s3cret/s3cret/", "/password/reset/<uidb64>/<token>/"),
        ("/invitation/s3cret/", "/invitation/<token>/"),
        ("/no/such/s3cret", "/no/…"),
    ],
)
def test_secrets_of_addresses_stay_out(
    stranger: Client, stream: io.StringIO, log: Log, path: str, told: str
) -> None:
    """In whatever field, and in whoever's words."""
    stranger.get(path, {"next": "s3cret"})
    assert "s3cret" not in stream.getvalue()
    assert log()[-1]["path"] == told


def test_an_error_has_its_trace_and_no_secret(
    stranger: Client, stream: io.StringIO, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django's own line about it belongs to the same request."""

    def breaks(token: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("collab.views.sharing._linked", breaks)
    stranger.raise_request_exception = False
    answer = stranger.get("/shared/s3cret-s3cret/")
    error, end = log()
    assert error["level"] == "ERROR"
    assert error["message"] == "Internal Server Error: /shared/<token>/"
    assert "ZeroDivisionError" in error["exception"]
    assert end["status"] == 500
    assert error["request"] == end["request"] == answer["X-Request-ID"]
    assert "s3cret" not in stream.getvalue()


def test_only_a_proxy_gives_ids(stranger: Client, settings: Settings, log: Log) -> None:
    """And only such that are nothing but ids."""
    settings.BEHIND_PROXY = False
    assert stranger.get("/login/", headers={"x-request-id": "a" * 32})["X-Request-ID"] != "a" * 32
    settings.BEHIND_PROXY = True
    assert stranger.get("/login/", headers={"x-request-id": "a" * 32})["X-Request-ID"] == "a" * 32
    for odd in ("a\n" * 8, "<script>", "a" * 65, "short", "ä" * 10):
        answer = stranger.get("/login/", headers={"x-request-id": odd})
        assert answer["X-Request-ID"] != odd
        assert logs.ID.fullmatch(answer["X-Request-ID"])
    assert len({line["request"] for line in log()}) == 7


def test_what_machines_ask_again_and_again_is_not_logged(stranger: Client, log: Log) -> None:
    for path in ("/healthz", "/metrics", "/static/css/tokens.css"):
        assert stranger.get(path).headers["X-Request-ID"]
    assert log() == []


@pytest.mark.parametrize("written", [logs.TEXT], indirect=True)
def test_people_read_text(stranger: Client, written: None, stream: io.StringIO) -> None:
    """Unless JSON is asked for; with the id at the end."""
    answer = stranger.get("/login/")
    line = stream.getvalue().strip()
    assert " INFO collab.requests GET /login/ 200, " in line
    assert line.endswith(f" ms [{answer['X-Request-ID']}]")


def test_a_line_cannot_be_forged(log: Log) -> None:
    """A line break in what is logged is none in the log; other libraries' fields stay out."""
    logging.getLogger("x").info("a\nb", extra={"password": "p"})
    (line,) = log()
    assert line["message"] == "a\nb"
    assert "password" not in line


@pytest.mark.parametrize("written", [logs.TEXT, logs.JSON], indirect=True)
def test_what_is_asked_for_cannot_forge_a_line(
    stranger: Client, written: None, stream: io.StringIO
) -> None:
    """Neither a path nor an error that says what somebody sent: no line of its own, no
    sequence for the terminal, no other direction."""
    stranger.get("/x%0a2026-01-01 INFO forged%1b[31m%c2%9b%0d%e2%80%ae%e2%80%a8y")
    try:
        raise ValueError("\n2026-01-01 INFO forged\x1b[31m")
    except ValueError:
        logging.getLogger("x").exception("a\n%s", "2026-01-01 INFO forged\x1b")
    whole = stream.getvalue()
    assert "forged" in whole
    assert not [line for line in whole.split("\n") if line.startswith("2026-01-01")]
    assert set(whole).isdisjoint("\r\x1b\x9b\u202e\u2028")


def test_failed_sign_ins_are_not_told_by_name(
    stranger: Client, leela: Person, stream: io.StringIO, written: None
) -> None:
    """The log of security events has them, for administrators."""
    stranger.post("/login/", {"username": "leela", "password": "wrong"})
    assert "leela" not in stream.getvalue()
    assert "AXES" not in stream.getvalue()


def test_the_form_is_one_that_exists() -> None:
    with pytest.raises(ValueError, match="text or json, not 'xml'"):
        logs.config("xml", "INFO")


def test_the_guide_quotes_what_is_logged(settings: Settings) -> None:
    """Each message in *When things break* is one that the engine writes, in these words."""
    guide = (settings.BASE_DIR / "collab" / "guides" / "failures.md").read_text()
    quoted = re.findall(r"^\| `(live: .*?)` \|", guide, re.MULTILINE)
    assert len(quoted) > 5
    engine = (settings.BASE_DIR / "collab" / "live").glob("*.py")
    said = {
        re.sub(r"%(\.\d)?[a-z]", "…", text)
        for path in engine
        for text in re.findall(r'"(live: .*?)"', path.read_text())
    }
    for message in quoted:
        assert any(one.removesuffix(": …").startswith(message) for one in said), message


def test_half_a_character_is_written_as_what_it_is() -> None:
    """A stream would refuse it, and the whole line with it."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "half: %s", ("\udc80",), None)
    record.of_request = ""
    line = logs.Plain("%(message)s%(of_request)s").format(record)
    assert line.encode() == rb"half: \udc80"
