"""``manage.py demo``: people and documents for an empty demo database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from ...models import Person
from ...operations import demo, importing

GUIDES = Path(__file__).resolve().parents[2] / "guides"


class Command(BaseCommand):
    help = "Fill an empty database with the demo's people and the project's own guides."

    def handle(self, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("This is not a demo. (Its accounts have a public password.)")
        if Person.objects.exists():
            self.stdout.write("The database has people already; nothing was added.")
            return
        with transaction.atomic():
            people = demo.people()
            authors = ("leela", "fry", "hermes")
            guides = list(importing.find([GUIDES]))
            for number, path in enumerate(guides):
                importing.import_file(path, people[authors[number % len(authors)]].pk)
        names = ", ".join(people)
        self.stdout.write(f"{len(guides)} documents. Sign in as {names}: {demo.PASSWORD}")
