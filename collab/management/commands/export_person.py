"""``manage.py export_person USERNAME [FILE]``: what the workspace holds of a person."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import exporting
from ..people import named


class Command(BaseCommand):
    help = "Write everything the workspace holds of one person into a ZIP file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("path", nargs="?", type=Path, help="default: USERNAME.zip")

    def handle(self, **options: Any) -> None:
        person = named(options["username"])
        path: Path = options["path"] or Path(f"{person.username}.zip")
        try:
            # Readable by its owner only, and never over something else.
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "wb") as file:
                file.writelines(exporting.person_archive(person))
        except OSError as error:
            raise CommandError(f"{path} could not be written: {error.strerror}.") from error
        self.stdout.write(f"{path}: give it to {person.name} and to nobody else.")
