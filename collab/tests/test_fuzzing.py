"""Every address with what nobody would send: an answer, and never a 500.

Addresses come from the URL conf, the names of fields from the forms and the templates,
so that what is new is tried as well. The test client raises what a view raises. The
examples are the same in every run; ``make drill`` tries more, and others each time.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Any

from django import forms as django_forms
from django.conf import settings as django_settings
from django.core.signing import dumps
from django.db import transaction
from django.test import Client, override_settings
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.strategies import SearchStrategy

from collab import forms
from collab.models import Person
from collab.operations import documents, editing, headings, people, sharing
from collab.operations.documents import Content
from collab.tests.test_bad_input import UNLIMITED
from e2e.lengths import IS_DRILL, length

WHO = ("", "fry", "leela", "hermes")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get")
#: What an address names that is there, and what is not or cannot be.
NUMBERS = ("1", "2", "0", "00001", "2147483648", str(2**63 - 1), str(2**63), "9" * 40, "9" * 4400)
ODD = (
    *("", " ", "\x00", "a\x00b", "\r\n", "\ud800", "\u202e", "\u200b", "İ", "ß", "²", "٣", "-0"),
    *("-1", "1", "2", "1.5", "1e5", "NaN", "Infinity", "None", "null", "true", "[]", "{}", "../"),
    *("%00", "%s%n", "{{ 7*7 }}", "' OR 1=1 --", "<script>", "\\", "//evil.example", "x" * 5_000),
    *(str(2**31), str(2**63), "9" * 4400, "delete", "leela", "owner", "named", "workspace", "yes"),
)
TEXTS = st.sampled_from(ODD) | st.text(max_size=30)
MARKUP = re.compile(r"""\bname=["'](\w+)["']""")
#: Names that come from Django's own forms, or are made by a template.
ELSEWHERE = {
    *("username", "password", "old_password", "new_password1", "new_password2", "next"),
    *("from", "kept", "seen", "choice-1", "free-1", "csp-report"),
}
FORMS = [
    form
    for form in vars(forms).values()
    if isinstance(form, type) and issubclass(form, django_forms.BaseForm)
]


def field_names() -> list[str]:
    """Every name that a form of ours has, by its class or in a template."""
    declared = {name for form in FORMS for name in getattr(form, "base_fields", {})}
    templates = (django_settings.BASE_DIR / "templates").rglob("*.html")
    written = {name for path in templates for name in MARKUP.findall(path.read_text())}
    return sorted(declared | written | ELSEWHERE)


NAMES = field_names()


def routes(resolver: URLResolver, prefix: str = "") -> list[str]:
    """Every route of the project, the administration's included, as one reads them in
    the URL conf."""
    found: list[str] = []
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            found.append(route)
        else:
            found += routes(pattern, route)
    return found


def parts_of(route: str) -> list[str]:
    """What is fixed in a route, and in between the names of what is not."""
    plain = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", route).replace("\\", "").strip("^$")
    return re.split(r"<(?:\w+:)?(\w+)>", plain)


def filled_with(route: str, number: str, text: str) -> str:
    """An address of a route, with these for whatever is not fixed."""
    parts = parts_of(route)
    values = tuple(number if name in NUMBERED else text for name in parts[1::2])
    return "/" + _woven(parts[::2], values)


def filled(route: str) -> SearchStrategy[str]:
    """Addresses of a route."""
    parts = parts_of(route)
    values = [
        st.sampled_from(NUMBERS) if name in NUMBERED else NAMED.map(_quoted) for name in parts[1::2]
    ]
    return st.tuples(*values).map(lambda given: "/" + _woven(parts[::2], given))


#: What stands for the tokens that open something.
LINK, JOIN = "a link", "an invitation"
NAMED = st.sampled_from([LINK, JOIN]) | TEXTS
NUMBERED = {"pk", "version", "old", "new", "draft"}


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


def _woven(fixed: list[str], values: tuple[str, ...]) -> str:
    return "".join(part + value for part, value in zip(fixed, (*values, ""), strict=True))


ROUTES = routes(get_resolver())
ADDRESSES = st.sampled_from(ROUTES).flatmap(filled)
#: Pairs and not a dictionary: a field may come twice.
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES) | TEXTS, TEXTS), max_size=8)


def encoded(fields: list[tuple[str, str]]) -> bytes:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in fields).encode()


def multipart(fields: list[tuple[str, str]]) -> bytes:
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="'
        + name.encode("utf-8", "surrogatepass")
        + b'"'
        + (b'; filename="' + value.encode("utf-8", "surrogatepass") + b'"' if number % 3 else b"")
        + b"\r\n\r\n"
        + value.encode("utf-8", "surrogatepass")
        + b"\r\n"
        for number, (name, value) in enumerate(fields)
    ]
    return b"".join([*parts, b"--x--\r\n"])


FORM, PARTS = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
BODIES: SearchStrategy[tuple[str, bytes]] = st.one_of(
    st.tuples(st.just(FORM), FIELDS.map(encoded)),
    st.tuples(st.just(PARTS), FIELDS.map(multipart)),
    # Cut off somewhere, or with a boundary that is not there.
    st.tuples(
        st.just(PARTS),
        st.tuples(FIELDS.map(multipart), st.integers(0, 400)).map(lambda made: made[0][: made[1]]),
    ),
    st.tuples(
        st.sampled_from(
            [
                *(
                    FORM,
                    PARTS,
                    "multipart/form-data",
                    "multipart/form-data; boundary=\xff",
                    "",
                    "/",
                ),
                # (Charsets that give no text: e2e/attacks. The test client has no servers.)
                *(f"{FORM}; charset=utf-16", f"{PARTS}; charset=utf-16", f"{FORM}; charset=x"),
                *("application/json", "application/csp-report"),
            ]
        ),
        st.binary(max_size=200) | FIELDS.map(encoded) | FIELDS.map(multipart),
    ),
)
#: A length that is none never comes here: the servers refuse it (``e2e/attacks/smuggling.py``).
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("hx-request", "hx-target", "hx-current-url", "hx-boosted", "hx-prompt", "referer"),
            *("accept-language", "accept", "origin", "user-agent", "sec-purpose", "sec-fetch-dest"),
            *("range", "if-none-match", "if-modified-since", "x-forwarded-for", "authorization"),
            *("x-csrftoken", "x-http-method-override", "x-forwarded-host"),
        ]
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=40)
    | st.sampled_from(["true", "-1", "9" * 40, "null", "bytes=9-1", "it-IT;q=x", "*" * 600]),
    max_size=4,
)
#: Among them values in quotes, whose escapes are resolved (RFC 2109).
COOKIES = st.dictionaries(
    st.sampled_from(["sessionid", "csrftoken", "messages", "django_language", "x"]),
    st.sampled_from(['"a\\000b"', '"\\377"', '"', "x" * 5_000, "\xff", "%00", "[[", dumps("x")]),
    max_size=2,
)


class Place:
    """A document that is taken, one that is shared, one in the trash; and people."""

    def __init__(self) -> None:
        roles = {"fry": "guest", "leela": "member", "hermes": "owner"}
        self.people = {
            name: Person.objects.create_user(name, role=role, is_staff=role == "owner")
            for name, role in roles.items()
        }
        leela = self.people["leela"].pk
        first = documents.create(leela, Content("T", "one\n\ntwo")).pk
        self.first = first
        sharing.give(first, self.people["fry"].pk, may_edit=True, actor=leela)
        self.token = sharing.make_link(first, leela, 7)
        self.invitation = people.invite(Person.Role.GUEST, actor=self.people["hermes"].pk)
        editing.take(first, leela)
        headings.take(first, leela)

    def client(self, who: str) -> Client:
        client = Client(headers={"host": "127.0.0.1"})
        if who:
            client.force_login(self.people[who])
        return client

    def address(self, address: str) -> str:
        """With what is there in the place of what is likely to be."""
        known = address.replace(_quoted(LINK), self.token).replace(_quoted(JOIN), self.invitation)
        return re.sub(r"(documents|trash)/1/", rf"\1/{self.first}/", known)


#: The same examples each time, but for a drill.
THOROUGH = settings(
    max_examples=length(200, full=20_000),
    derandomize=not IS_DRILL,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@override_settings(LIMITS=UNLIMITED)
class Fuzz(TestCase):
    """Requests that nobody would make."""

    @THOROUGH
    @given(st.sampled_from(WHO), ADDRESSES, st.sampled_from(METHODS), FIELDS, BODIES, HEADERS)
    def test_no_request_is_an_error(
        self,
        who: str,
        address: str,
        method: str,
        query: list[tuple[str, str]],
        body: tuple[str, bytes],
        headers: dict[str, str],
    ) -> None:
        place = Place()
        asked(place.client(who), method, place.address(address), query, body, headers)

    def test_every_address_is_asked_by_everybody_in_every_way(self) -> None:
        """Where the examples are chance, this is not: each route of the URL conf, with
        what is there (and in a drill what is not), by everybody and with each method."""
        place = Place()
        clients = {who: place.client(who) for who in WHO}
        asked_for = set()
        for route in ROUTES:
            known = ("1", JOIN if route.startswith("invitation/") else LINK)
            for number, name in (known, ("9" * 40, "x"))[: length(1, full=2)]:
                address = place.address(filled_with(route, number, _quoted(name)))
                for (who, client), method in product(clients.items(), METHODS):
                    with transaction.atomic():
                        asked(client, method, address, [], (FORM, b""), {})
                        transaction.set_rollback(True)  # the next finds all as it was
                    asked_for.add((route, who, method))
        assert len(asked_for) == len(set(ROUTES)) * len(WHO) * len(METHODS)

    @THOROUGH
    @given(ADDRESSES, COOKIES)
    @example("/", {"sessionid": '"a\\000b"'})
    def test_no_cookie_is_an_error(self, address: str, cookies: dict[str, str]) -> None:
        place = Place()
        jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
        asked(place.client(""), "GET", place.address(address), [], ("", b""), {"cookie": jar})


def asked(
    client: Client,
    method: str,
    address: str,
    query: list[tuple[str, str]],
    body: tuple[str, bytes],
    headers: dict[str, str],
) -> None:
    """Send it, and read the answer to its end."""
    kind, sent = body
    extra: dict[str, Any] = {"QUERY_STRING": encoded(query).decode()} if query else {}
    response = client.generic(method, address, sent, kind, headers=headers, **extra)
    assert response.status_code < 500
    if response.streaming:
        b"".join(response)


def test_the_names_of_fields_are_found() -> None:
    """What the forms and the templates call them."""
    assert {"title", "text", "fence", "display_name", "password", "q", "invite"} <= set(NAMES)
    assert any(route.startswith("admin/") for route in ROUTES)
    assert "documents/<int:pk>/edit/" in ROUTES
