"""``python -m e2e.drills.takers``: ten people in one process who want the same pen.

For each line on standard input ("<document> <fence>") every one of them, on a
database connection of their own, tries until somebody (here or in another
process) has raised the fence. The answer is a line with the fences they got.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import django
from django.db import connections

TAKERS = 10


def main() -> None:
    django.setup()
    # Django's models can be imported only now.
    from collab.models import Document, Person
    from collab.operations import editing

    people = list(Person.objects.order_by("pk").values_list("pk", flat=True))
    start = threading.Barrier(TAKERS)

    def takes(number: int, document: int, fence: int) -> int | None:
        start.wait()
        while True:
            if taken := editing.take(document, people[number % len(people)], is_news=False):
                return taken
            if Document.objects.values_list("fence", flat=True).get(pk=document) > fence:
                return None

    with ThreadPoolExecutor(TAKERS) as pool:
        for line in sys.stdin:
            document, fence = map(int, line.split())
            jobs = [pool.submit(takes, number, document, fence) for number in range(TAKERS)]
            print(json.dumps([job.result() for job in jobs]), flush=True)
        list(pool.map(lambda _: connections.close_all(), range(TAKERS)))


if __name__ == "__main__":
    main()
