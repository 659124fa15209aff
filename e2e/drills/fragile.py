"""``python -m e2e.drills.fragile``: ``manage.py``, whose hub breaks on a signal.

SIGUSR1: its next flush raises an error. SIGUSR2: its task is cancelled.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from django.core.management import execute_from_command_line

HUB = "live-Hub.run"


def cancel() -> None:
    """Cancel the task that does all the sending, as soon as it runs."""
    running = [task for task in asyncio.all_tasks() if task.get_name() == HUB]
    if running:
        running[0].cancel()
    else:
        asyncio.get_running_loop().call_later(0.05, cancel)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    # The engine's models can be imported only now.
    import django

    django.setup()
    from collab.live.hub import Hub
    from collab.live.process import Process

    flush, start = Hub.flush, Process.start
    breaks: list[int] = []

    async def flush_or_break(hub: Hub) -> None:
        if breaks:
            breaks.clear()
            raise RuntimeError("the drill breaks the hub")
        await flush(hub)

    async def start_and_listen(process: Process) -> None:
        await start(process)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, breaks.append, 1)
        loop.add_signal_handler(signal.SIGUSR2, cancel)

    Hub.flush = flush_or_break  # type: ignore[assignment,method-assign]
    Process.start = start_and_listen  # type: ignore[assignment,method-assign]
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
