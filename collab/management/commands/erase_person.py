"""``manage.py erase_person USERNAME``: the account goes, what was done for others stays."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import personal
from ...errors import CannotErase
from ...models import Person
from ...operations import erasure
from ..people import named


class Command(BaseCommand):
    help = "Erase a person: their account and what is personal. Their documents stay."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would become of what"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, **options: Any) -> None:
        person = named(options["username"])
        try:
            erasure.check(person)
            self.stdout.write("\n".join(self._plan(person)))
            if options["dry_run"]:
                self.stdout.write("Nothing was changed.")
                return
            if not options["yes"]:
                self._confirm(person)
            erasure.erase(person.pk)
        except CannotErase as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "Erased. Backups made before still have this person: after restoring one, erase "
            "them again. What others wrote about them in documents is as it was."
        )

    def _plan(self, person: Person) -> list[str]:
        of_rules = [
            f"  {count} {rule.what}: each {rule.fate.value}"
            for rule, count in personal.counts(person)
        ]
        return [
            f"{person.name} ({person.username}): the account is deleted.",
            *of_rules,
        ]

    def _confirm(self, person: Person) -> None:
        """Raises CommandError unless somebody really means this person."""
        self.stdout.write("This cannot be undone. Type the username to go on:")
        try:
            typed = input()
        except EOFError:
            typed = ""
        if typed != person.username:
            raise CommandError("That is not the username. Nothing was changed.")
