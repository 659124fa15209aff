"""``manage.py import_markdown PATH...``: bring in a folder of Markdown files."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ...errors import BadMarkdown
from ...models import Person
from ...operations import importing


class Command(BaseCommand):
    help = "Import Markdown files, or folders of them, as documents."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
        parser.add_argument("--author", help="username of the author (default: the first admin)")

    def handle(self, **options: Any) -> None:
        author = self._author(options["author"])
        files = list(importing.find(options["paths"]))
        if not files:
            raise CommandError("There are no .md files there.")
        failed: list[str] = []
        for path in tqdm(files, desc="Importing", unit="file", file=self.stderr):
            try:
                importing.import_file(path, author.pk)
            except BadMarkdown as error:
                failed.append(f"{path}: {error}")
        self.stdout.write(f"{len(files) - len(failed)} documents imported.")
        if failed:
            listed = "\n".join(f"  {line}" for line in failed)
            raise CommandError(f"{len(failed)} files were left out:\n{listed}")

    def _author(self, username: str | None) -> Person:
        people = Person.objects.filter(is_active=True).order_by("pk")
        if username:
            person = people.filter(username=username).first()
            if person is None:
                raise CommandError(f"There is no active person with the username {username!r}.")
            return person
        person = people.filter(role=Person.Role.OWNER).first()
        if person is None:
            raise CommandError("There is no admin yet; name the author with --author.")
        return person
