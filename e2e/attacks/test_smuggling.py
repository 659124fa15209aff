"""Requests within requests, and headers that only a proxy may set: over raw sockets, to
Daphne itself and through the shipped configuration of nginx to Daphne and gunicorn.

A witness within the application writes down what arrives (:mod:`e2e.attacks.witness`).
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from e2e.attacks.conftest import Front
from e2e.attacks.raw import exchanged, statuses
from e2e.attacks.smuggling import AMBIGUOUS, CLAIMS, FORGED, HIDDEN, filled

#: Where the client says it comes from, and where it does. All of 127.0.0.0/8 is ours.
FORGED_ADDRESS, ADDRESS = "203.0.113.9", "127.0.0.2"


def asked(front: Front, path: str, *headers: str) -> bytes:
    """A request in good order."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {front.host}", *headers, "", ""]).encode()


def last(front: Front) -> bytes:
    """A request after which the server ends the connection."""
    return asked(front, "/healthz?last", "Connection: close")


def test_the_witness_sees_two_requests_in_one_line(front: Front) -> None:
    """What the attacks hide is seen if it is not hidden."""
    hidden = HIDDEN.format(host=front.host, marker="/healthz?marker")
    assert statuses(exchanged(front.port, hidden.encode() + last(front))) == [200, 200]
    assert [seen["path"] for seen in front.record.news()] == ["/healthz?marker", "/healthz?last"]


def test_all_agree_where_a_request_ends(front: Front) -> None:
    """A request of two meanings is refused, or what seems to be a second request is its
    body for all. Whoever comes next gets the answer to their own question."""
    wrong = {name: what for name in AMBIGUOUS if (what := smuggled(front, AMBIGUOUS[name]))}
    assert not wrong


def smuggled(front: Front, template: str) -> object:
    """What went wrong with an attack; nothing, if it came to nothing."""
    addresses = {"host": front.host, "origin": front.origin}
    attack = filled(template, **addresses, first="/healthz?first", marker="/healthz?marker")
    codes = statuses(exchanged(front.port, attack + last(front)))
    seen = [request["path"] for request in front.record.news()]
    others = [path for path in seen if path not in {"/healthz?first", "/live/"}]
    victims = exchanged(front.port, asked(front, "/active/", "Connection: close"))
    front.record.news()
    is_well = (
        others in ([], ["/healthz?last"])
        and len(seen) <= len(codes)
        and set(codes) <= {100, 200, 400, 403, 404, 405, 413, 501}
        and statuses(victims) == [302]
        and b"next=/active/" in victims
    )
    return not is_well and (codes, seen, victims)


def arrived(front: Front, *headers: str) -> list[dict[str, str]]:
    """What the application makes of a request: from where, by which scheme and host."""
    exchanged(front.port, asked(front, "/healthz", *headers) + last(front), ADDRESS)
    return [
        {name: request[name] for name in ("path", "address", "scheme", "host", "prefix")}
        for request in front.record.news()
        if request["path"] != "/healthz?last" and request["status"] != 400
    ]


def test_what_a_client_claims_of_itself_changes_nothing(front: Front) -> None:
    """Its address is the one it has; scheme, host and place are the server's."""
    honest = arrived(front)
    assert [request["address"] for request in honest] == [ADDRESS]
    wrong = {}
    for header in FORGED:
        claimed = arrived(front, header.format(host=front.host))
        if claimed not in (honest, []):
            wrong[header] = claimed
    assert not wrong


def test_an_odd_request_line_or_host_leads_nowhere_else(front: Front) -> None:
    """Refused, or answered as what it is: no redirect and no page names a foreign host."""
    wrong = {}
    for name, template in CLAIMS.items():
        sent = template.format(host=front.host).encode("latin1")
        answer = exchanged(front.port, sent + last(front))
        leads = re.search(rb"""(?i)(location: *|href=.|src=.|action=.)(https?:)?[\\/]{2}""", answer)
        if leads or {500, 502} & set(statuses(answer)):
            wrong[name] = answer
    front.record.news()
    assert not wrong


@pytest.mark.parametrize("header", ["X-Forwarded-For: {}", "X_Forwarded_For: {}", "X-Real-IP: {}"])
def test_the_log_has_the_address_that_somebody_has(front: Front, header: str) -> None:
    """A sign-in that is refused is written down with where it came from; so guessing is
    stopped where it comes from."""
    token = "a" * 32
    form = {"csrfmiddlewaretoken": token, "username": "nobody", "password": "x"}
    body = urlencode(form)
    lines = [
        "POST /login/ HTTP/1.1",
        f"Host: {front.host}",
        f"Cookie: csrftoken={token}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        header.format(FORGED_ADDRESS),
        "Connection: close",
    ]
    sent = "\r\n".join([*lines, "", body]).encode()
    assert statuses(exchanged(front.port, sent, ADDRESS)) == [200]
    newest = "SELECT address FROM collab_securityevent ORDER BY id DESC LIMIT 1"
    assert front.stack.sql(newest) == [(ADDRESS,)]


@pytest.mark.parametrize("in_chunks", [False, True], ids=["of a length", "in chunks"])
def test_of_a_body_no_more_is_kept_than_a_form_can_have(front: Front, in_chunks: bool) -> None:
    """Before anybody asks who sends it. Whoever does is told."""
    part = b"x" * 2**20
    length = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {13 * len(part)}"
    head = f"POST /login/ HTTP/1.1\r\nHost: {front.host}\r\nConnection: close\r\n{length}\r\n\r\n"
    chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n" if in_chunks else part
    end = b"0\r\n\r\n" if in_chunks else b""
    assert statuses(exchanged(front.port, head.encode() + 13 * chunk + end)) == [413]
    assert front.record.news() == []


def test_no_server_was_led_into_an_error(fronts: dict[str, Front]) -> None:
    """Whatever was sent above is the client's error, and none of the servers'. (Django
    writes down as errors which hosts were asked for in vain.)"""
    for service in fronts["daphne"].stack.services:
        errors = re.findall(r".* (?:ERROR|CRITICAL) .*", service.log.read_text(errors="replace"))
        assert [error for error in errors if "ERROR django.security" not in error] == []
