"""``python -m e2e.cluster N``: N server processes on unix sockets behind nginx,
with PostgreSQL and Redis, all of their own and gone at the end.

It is the deployment of ``deploy/nginx.conf`` and ``deploy/upstreams.conf``, to be tried
and tested on one machine.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM, signal

from e2e.services import LOCALHOST, postgres_server, redis_server
from e2e.stack import ROOT, Postgres, Stack, prepared, temporary_folder

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
#: What surrounds the shipped file on a server, here without root's folders.
AROUND = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/collab.conf;
    include {folder}/upstreams.conf;
}}
"""


def nginx_command(folder: Path, port: int, web: Sequence[str], live: Sequence[str]) -> list[str]:
    """nginx with the shipped files, in another place.

    Args:
        folder: for its configuration and what it writes.
        port: where it listens.
        web: the servers of pages, as nginx names them ("127.0.0.1:8001").
        live: the servers of sockets.
    """
    assert Path(NGINX).exists(), "nginx is missing: install it (apt-get install nginx-light)"
    here = {
        r"listen 80;": f"listen {LOCALHOST}:{port};",
        r"access_log /\S+": f"access_log {folder}/access.log",
    }
    (folder / "collab.conf").write_text(shipped("nginx.conf", here))
    upstreams = {
        r"server 127\.0\.0\.1:8001 (.*);": _servers(web),
        r"server unix:/run/collab/1\.sock (.*);": _servers(live),
        r"server unix:/run/collab/2\.sock (.*);": "",
    }
    (folder / "upstreams.conf").write_text(shipped("upstreams.conf", upstreams))
    around = AROUND.format(folder=folder, user=getpass.getuser())
    (folder / "nginx.conf").write_text(around)
    return [NGINX, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def shipped(name: str, changes: Mapping[str, str]) -> str:
    """A file of ``deploy/`` with each of these patterns, of which it has one, replaced."""
    text = (ROOT / "deploy" / name).read_text()
    for pattern, replacement in changes.items():
        text, found = re.subn(pattern, replacement, text)
        assert found == 1, f"deploy/{name} has {found} times {pattern}"
    return text


def _servers(addresses: Sequence[str]) -> str:
    """The lines of an upstream, each with the shipped options."""
    return " ".join(rf"server {address} \1;" for address in addresses)


@contextmanager
def behind_nginx(postgres: Postgres, redis_url: str, port: int, processes: int) -> Iterator[Stack]:
    """Server processes on unix sockets that serve pages and sockets alike."""
    with temporary_folder("nginx") as folder:
        stack = Stack(
            folder,
            [port],
            database_url=postgres.database(),
            redis_url=redis_url,
            extra={"PROCESSES": str(processes), "BEHIND_PROXY": "1"},
        )
        paths = [folder / f"serve-{number}.sock" for number in range(processes)]
        with prepared(stack):
            for path in paths:
                serve_on(stack, path)
            servers = [f"unix:{path}" for path in paths]
            stack.run("nginx", nginx_command(folder, port, servers, servers), port)
            yield stack


def serve_on(stack: Stack, path: Path) -> None:
    """``manage.py serve`` on a unix socket."""
    command = [sys.executable, str(ROOT / "manage.py"), "serve", "--unix-socket", str(path)]
    stack.run_until(path.stem, [*command, "--proxy-headers"], lambda: _listens(path))


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect(str(path))
        return True


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends it."""
    processes, port = int(arguments[0]) if arguments else 2, int(os.environ.get("PORT", "8000"))
    ended = threading.Event()
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: ended.set())
    with (
        postgres_server() as postgres,
        redis_server() as redis_url,
        behind_nginx(postgres, redis_url, port, processes),
    ):
        print(f"{processes} processes are ready on http://{LOCALHOST}:{port} (Ctrl-C ends all)")
        sys.stdout.flush()
        ended.wait()
        print("Stopping...")


if __name__ == "__main__":
    main(sys.argv[1:])
