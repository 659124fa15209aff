"""Many people at their editors, without a browser for each: real requests and real
sockets, from threads.

They do what the editor page does: open it, keep the socket, post drafts with a
rising sequence, save with the version of the last answer.
"""

from __future__ import annotations

import contextlib
import html
import http.client
import json
import re
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from e2e.services import LOCALHOST, eventually
from e2e.stack import Stack

#: Anything that takes longer than this has failed.
PATIENCE_SECONDS = 30.0
#: Makes people who are signed in, each with a document of their own.
ENTER = """
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from collab.models.sign_in import SessionStore
from collab.models import Person
from collab.operations.documents import Content, create
entered = []
for number in range({count}):
    person = Person.objects.create_user(f"{prefix}{{number:02}}")
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    made = create(person.pk, Content(f"{prefix} {{number:02}}", "Begun."))
    entered.append([session.session_key, person.pk, made.pk])
print("ENTERED", json.dumps(entered))
"""
PAGE = re.compile(r'name="page" value="([^"]+)"')
MARK = re.compile(r'name="region" id="[^"]+" value="([^"]+)"')
#: By which the server knows this page's own saves, should their answers be lost.
OWN = re.compile(r'name="page" value="([0-9a-f]{32})"')
#: Nobody sends the same thing again for longer than this, in seconds.
INSISTING_SECONDS = 20.0


def field_of(page: str, name: str) -> str:
    """The value of a hidden field, wherever its name stands in the element."""
    found = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', page)
    assert found, f"there is no {name} in {page[:500]}"
    return html.unescape(found[1])


@dataclass
class Answer:
    """What the server has said."""

    status: int
    location: str
    text: str


@dataclass
class Editor:
    """Somebody's page of the editor.

    ``acknowledged`` is what the server has confirmed to have, by sequence.
    """

    port: int
    origin: str
    session: str
    person: int
    document: int
    stay: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[int, str] = field(default_factory=dict)
    sequence: int = 0
    saved: int = 0
    resume: str = ""
    socket: ClientConnection | None = None

    def request(self, method: str, path: str, fields: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own.

        Raises:
            OSError, http.client.HTTPException: there was no (whole) answer.
        """
        token = self.stay.get("csrfmiddlewaretoken", "")
        headers = {
            "Cookie": f"sessionid={self.session}; csrftoken={self.stay.get('cookie', '')}",
            "Origin": self.origin,
        }
        body = None
        if fields is not None:
            body = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token})
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "HX-Request": "true"}
        connection = http.client.HTTPConnection(LOCALHOST, self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("Set-Cookie", []):
                if cookie.startswith("csrftoken="):
                    self.stay["cookie"] = cookie.partition("=")[2].partition(";")[0]
            text = answer.read().decode()
            return Answer(answer.status, answer.headers.get("Location", ""), text)
        finally:
            connection.close()

    def opens(self) -> None:
        """Go to the editor, which takes the pen, and open its socket."""
        there = self.request("GET", f"/documents/{self.document}/edit/")
        assert there.status == 302, f"no pen: {there.status}"
        page = self.request("GET", there.location).text
        names = ("csrfmiddlewaretoken", "fence", "version")
        self.stay |= {name: field_of(page, name) for name in names}
        token, own = PAGE.search(page), OWN.search(page)
        assert token, "the editor has no page token"
        assert own, "the editor's form does not say which page it is"
        self.stay["page"] = own[1]
        marks = [html.unescape(mark) for mark in MARK.findall(page)]
        self.resume = json.dumps({"page": html.unescape(token[1]), "region": marks})
        self.connects()

    def connects(self) -> None:
        """Open the socket (again) and say which page this is."""
        self.leaves()
        self.socket = connect(
            f"ws://{LOCALHOST}:{self.port}/live/",
            origin=Origin(self.origin),
            additional_headers={"Cookie": f"sessionid={self.session}"},
            open_timeout=PATIENCE_SECONDS,
            max_queue=None,  # nobody reads what comes, and it must not be held up
            legacy=True,  # it outlives the block in which it is opened
        )
        self.socket.send(self.resume)

    def leaves(self) -> None:
        """The socket is gone."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.close()
            self.socket = None

    def _form(self, text: str) -> dict[str, str]:
        stay = {name: self.stay[name] for name in ("fence", "version", "page")}
        return {"text": text, "sequence": str(self.sequence), **stay}

    def types(self, text: str) -> Answer:
        """Post a draft; what is confirmed is written down."""
        self.sequence += 1
        answer = self.request("POST", f"/documents/{self.document}/draft/", self._form(text))
        if answer.status == 200:
            assert f'data-sequence="{self.sequence}"' in answer.text
            self.acknowledged[self.sequence] = text
        return answer

    def saves(self, text: str) -> Answer:
        """Save; the next save begins from what this one has made."""
        self.sequence += 1
        answer = self.request("POST", f"/documents/{self.document}/edit/", self._form(text))
        if answer.status == 200:
            self.saved += 1
            self.stay["version"] = field_of(answer.text, "version")
        return answer


def insists(act: Callable[[str], Answer], text: str) -> None:
    """Post a text; without an answer, or when the server cannot, again, as the editor
    does. Nothing but 200 may come in the end."""
    answers: list[int] = []

    def is_taken() -> bool:
        try:
            answers.append(act(text).status)
        except http.client.HTTPException:  # half an answer is none
            return False
        return answers[-1] < 500

    eventually(is_taken, f"{text!r} is taken", INSISTING_SECONDS)
    assert answers[-1] == 200


@contextlib.contextmanager
def editors(stack: Stack, count: int) -> Iterator[Sequence[Editor]]:
    """People who are signed in, each with a document; their sockets end with it.

    Args:
        stack: where they work; they use its processes in turn.
        count: how many.
    """
    prefix = f"editor-{uuid.uuid4().hex[:8]}-"
    printed = stack.manage("shell", "-c", ENTER.format(count=count, prefix=prefix))
    entered = json.loads(printed.partition("ENTERED ")[2])
    made = [
        Editor(stack.ports[number % len(stack.ports)], stack.urls[number % len(stack.urls)], *one)
        for number, one in enumerate(entered)
    ]
    try:
        yield made
    finally:
        for one in made:
            one.leaves()
