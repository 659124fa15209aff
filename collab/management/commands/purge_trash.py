"""``manage.py purge_trash``: delete for good what was in the trash for too long."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ...operations import trash
from ...timings import TRASH_DAYS


class Command(BaseCommand):
    help = f"Delete documents for good that have been in the trash for {TRASH_DAYS} days."

    def handle(self, **options: Any) -> None:
        titles = trash.purge()
        if pictures := trash.remove_unused_covers():
            self.stdout.write(f"Pictures deleted that nothing uses: {pictures}")
        if not titles:
            self.stdout.write(f"Nothing has been in the trash for {TRASH_DAYS} days.")
            return
        count = f"{len(titles)} document{'' if len(titles) == 1 else 's'}"
        self.stdout.write("\n  ".join([f"{count} deleted for good:", *titles]))
