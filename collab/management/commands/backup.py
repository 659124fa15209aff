"""``manage.py backup [PATH]``: everything in one file, while the server runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import backups


class Command(BaseCommand):
    help = "Write the database and all pictures, as they are at one moment, into one file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path",
            nargs="?",
            type=Path,
            default=Path(),
            help="a new file, or a folder in which it is named for the time (default: here)",
        )

    def handle(self, **options: Any) -> None:
        try:
            path, manifest = backups.make(options["path"])
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        files = len(manifest.members) - 1
        self.stdout.write(f"{path}: the database and {files} files, verified.")
        self.stdout.write(
            "Keep it as safe as the server: whoever reads it reads everything. SECRET_KEY and "
            "the other settings are not in it."
        )
