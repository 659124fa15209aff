"""Where somebody comes from: the proxy's word, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from project.addresses import asgi_behind_proxy, forwarded_for, wsgi_behind_proxy

#: What a client claims, what nginx makes of it, and where it came from.
FORGED = [
    ("192.0.2.7", "192.0.2.7"),
    ("10.0.0.1, 192.0.2.7", "192.0.2.7"),
    ("10.0.0.1,10.0.0.2 ,192.0.2.7", "192.0.2.7"),
    ("2001:db8::7", "2001:db8::7"),
]
#: No address: then it is who has connected.
NONSENSE = ["", "unknown", "192.0.2.7, <b>", "1.2.3.4.5", "192.0.2.7:80", "192.0.2.7,"]


@pytest.mark.parametrize(("header", "address"), FORGED)
def test_what_a_client_claims_comes_first_and_does_not_count(header: str, address: str) -> None:
    """A proxy writes behind it."""
    assert forwarded_for(header) == address


@pytest.mark.parametrize("header", NONSENSE)
def test_nonsense_is_no_address(header: str) -> None:
    """It goes into no table and no count."""
    assert forwarded_for(header) == ""


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([], ("127.0.0.1", 7)),
        ([b"nonsense"], ("127.0.0.1", 7)),
        ([b"192.0.2.7"], ("192.0.2.7", 0)),
        ([b"10.0.0.1", b"192.0.2.7"], ("192.0.2.7", 0)),
        ([b"192.0.2.7", b"\xff"], ("127.0.0.1", 7)),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_pages_and_sockets_of_an_asgi_server(
    kind: str, headers: list[bytes], client: tuple[str, int]
) -> None:
    """The header that the proxy has written is the last one."""
    seen: list[dict[str, Any]] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)

    sent = [(b"x-forwarded-for", value) for value in headers]
    scope = {"type": kind, "client": ("127.0.0.1", 7), "headers": sent}
    await asgi_behind_proxy(application)(scope, None, None)  # type: ignore[arg-type]
    assert seen[0]["client"] == client


@pytest.mark.parametrize(("header", "address"), [(None, "127.0.0.1"), ("x", "127.0.0.1"), *FORGED])
def test_pages_of_a_wsgi_server(header: str | None, address: str) -> None:
    """As :mod:`project.wsgi` has it behind a proxy; on a unix socket there is no other."""
    seen: list[dict[str, Any]] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return []

    environ = {"REMOTE_ADDR": "127.0.0.1"}
    if header is not None:
        environ["HTTP_X_FORWARDED_FOR"] = header
    wsgi_behind_proxy(application)(environ, lambda *_: None)
    assert seen[0]["REMOTE_ADDR"] == address
