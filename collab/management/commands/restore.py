"""``manage.py restore FILE``: make everything what it was, from a backup."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import backups


class Command(BaseCommand):
    help = "Restore the database and all pictures from a backup, into an empty place."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="FILE", help="what manage.py backup wrote")
        parser.add_argument(
            "--replace", action="store_true", help="lose what is there, if something is"
        )
        parser.add_argument(
            "--check", action="store_true", help="only verify the file; nothing is touched"
        )

    def handle(self, **options: Any) -> None:
        try:
            if options["check"]:
                manifest = backups.verify(options["path"])
                self.stdout.write(f"A backup of {manifest.made_at}, whole and undamaged.")
                return
            restored = backups.restore(options["path"], replace=options["replace"])
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Everything is as it was at {restored.manifest.made_at}.")
        self.stdout.write("\n".join(["", "What to do next:", *_next(restored.to_apply)]))


def _next(to_apply: list[str]) -> list[str]:
    steps = []
    if to_apply:
        steps.append(f"manage.py migrate: the backup lacks {', '.join(to_apply)}.")
    steps += [
        "manage.py collectstatic, if this place is new; then start the server.",
        "With another SECRET_KEY than before, open pages have to be reloaded.",
        "Everybody has been signed out: who had signed out since the backup stays so.",
        "Erase again whoever was erased since the backup: manage.py erase_person.",
    ]
    return [f"{number}. {step}" for number, step in enumerate(steps, 1)]
