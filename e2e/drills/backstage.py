"""``python -m e2e.drills.backstage``: a process of the product without sockets, that
does what a drill asks of it.

Each line on standard input is a JSON object with ``do`` and arguments; the answer is
a line of JSON. Hundreds of people enter in a second that way, and changes come from
another process than those that serve, as in production.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings

if TYPE_CHECKING:
    from collab.models import Person

TOKEN = re.compile(r'name="page" value="([^"]+)"')


def enter(people: int) -> dict[str, Any]:
    """Make people who are signed in and have the list of documents open.

    One page is really rendered; the others get a token like its own for their own
    person and page.

    Returns:
        The page, and a session and a page token for each of them.
    """
    # Django's models can be imported only when it is set up.
    from django.test import Client

    from collab.live.pages import Token
    from collab.models import Person

    prefix = uuid.uuid4().hex[:8]
    named = (f"{prefix}{number:04}" for number in range(people))
    made = Person.objects.bulk_create(
        Person(username=name, password="!", colour="teal") for name in named
    )
    sessions = [_session(person) for person in made]
    browser = Client(headers={"host": "127.0.0.1"})
    browser.cookies[settings.SESSION_COOKIE_NAME] = sessions[0]
    page = browser.get("/").content.decode()
    found = TOKEN.search(page)
    assert found, "the list of documents has no page token"
    token = Token.read(found[1])
    return {
        "page": page,
        "sessions": sessions,
        "tokens": [_like(token, person.pk) for person in made],
    }


def _like(token: Any, person: int) -> str:
    from dataclasses import replace

    page = replace(token.page, id=uuid.uuid4().hex, user_id=person)
    return str(replace(token, page=page).sign())


def _session(person: Person) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from collab.models.sign_in import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def write(count: int, text: str = "Text.") -> list[int]:
    """Documents of a person made for it; gives their ids."""
    from collab.models import Person
    from collab.operations.documents import Content, create

    author = Person.objects.create_user(f"author-{uuid.uuid4().hex[:8]}")
    return [create(author.pk, Content(f"Drill {n}", text)).pk for n in range(count)]


def retitle(documents: Sequence[int], times: int, pause: float = 0.0) -> list[float]:
    """Give each document a title, again and again: "Change 0", "Change 1"...

    Returns:
        When each change was committed, on the machine's monotonic clock.
    """
    from django.db import transaction

    from collab.live.topics import changed
    from collab.models import Heading
    from collab.subjects import content

    done = []
    for number in range(times):
        for document in documents:
            with transaction.atomic():
                Heading.objects.filter(pk=document).update(title=f"Change {number}")
                changed(content(document))
            done.append(time.monotonic())
        time.sleep(pause)
    return done


def retitle_at_once(documents: Sequence[int], title: str) -> None:
    """Give all these documents a title, by one event."""
    from django.db import transaction

    from collab.live.topics import changed
    from collab.models import Heading
    from collab.subjects import content

    with transaction.atomic():
        Heading.objects.filter(pk__in=documents).update(title=title)
        changed(*map(content, documents))


def announce(topics: Sequence[str]) -> None:
    """Say that these have changed."""
    from collab.live.topics import changed

    changed(*topics)


#: What can be asked for.
ACTS: dict[str, Callable[..., Any]] = {
    act.__name__: act for act in (enter, write, retitle, retitle_at_once, announce)
}


def main() -> None:
    django.setup()
    # Django's own can be imported only now.
    from django.db import connections

    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps(ACTS[wanted.pop("do")](**wanted)), flush=True)
        connections.close_all()  # the database may be another one by the next


if __name__ == "__main__":
    main()
