"""``manage.py serve``: the production server."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from project import logs

logger = logging.getLogger(__name__)

#: So many connections may wait to be accepted. By itself Twisted lets 50 wait; after a
#: restart a thousand pages come back at once, and a unix socket refuses the others.
BACKLOG = 1024


class Command(BaseCommand):
    help = "Serve pages and sockets with Daphne, hardened (see project/server.py)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port (PORT)")
        parser.add_argument("--unix-socket", help="listen on this path instead, behind a proxy")
        parser.add_argument(
            "--proxy-headers",
            action="store_true",
            help="trust X-Forwarded-For; only behind a proxy that sets it",
        )

    def handle(self, **options: Any) -> None:
        # Twisted installs its reactor on import, so this waits until it is wanted.
        from project.addresses import asgi_behind_proxy
        from project.asgi import application
        from project.server import HardenedServer

        if options["unix_socket"]:
            endpoint = f"unix:{options['unix_socket']}:mode=660:backlog={BACKLOG}"
            where = options["unix_socket"]
        else:
            host = options["host"].replace(":", r"\:")
            endpoint = f"tcp:port={options['port']}:interface={host}:backlog={BACKLOG}"
            where = f"http://{options['host']}:{options['port']}"
        proxied = options["proxy_headers"]
        server = HardenedServer(
            # Daphne itself would believe the first address of the header, the client's own.
            asgi_behind_proxy(application) if proxied else application,
            endpoints=[endpoint],
            on_listening=lambda: self._say(f"Collab is ready on {where} (Ctrl-C ends it)"),
            proxy_forwarded_address_header="X-Forwarded-For" if proxied else None,
            proxy_forwarded_proto_header="X-Forwarded-Proto" if proxied else None,
        )
        server.run()
        if server.refusal:
            raise CommandError(f"{server.refusal} Is it taken? Set PORT to choose another.")

    def _say(self, text: str) -> None:
        if settings.LOG_FORMAT == logs.JSON:  # both may end up in the same place
            logger.info(text)
            return
        self.stdout.write(text)
        self.stdout.flush()
