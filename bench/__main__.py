"""``python -m bench``: measure, print, and write ``bench/RESULTS.md``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import django

from . import machine
from .client import Failed
from .processes import free_port, redis, running

RESULTS = Path(__file__).with_name("RESULTS.md")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000, help="open pages (1000)")
    parser.add_argument("--rounds", type=int, default=20, help="isolated events per way (20)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each series (6)")
    parser.add_argument("--people", type=int, default=200, help="people behind the pages (200)")
    parser.add_argument("--documents", type=int, default=50, help="on the dashboard (50)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the report goes")
    return parser.parse_args()


def environment(folder: Path, redis_port: int) -> dict[str, str]:
    """The product's configuration for this run."""
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'bench.sqlite3'}",
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "SECRET_KEY": "only-for-this-measurement-and-never-served-to-anybody",
        "PORT": str(free_port()),
        "LOG_LEVEL": "ERROR",
    }


def main() -> int:
    """Returns 0 when the promises are kept, 1 when not, 2 when it could not be measured."""
    options = parse()
    machine.allow_open_files(options.sockets)
    facts = machine.description()
    server_core, client_core = machine.cores()
    redis_port = free_port()
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as name:
        folder = Path(name)
        os.environ.update(environment(folder, redis_port))
        django.setup()
        # The product's models can be imported only now.
        from .run import run

        command, log = redis(redis_port, folder), folder / "redis.log"
        try:
            with (
                running(command, redis_port, core=client_core, log=log),
                machine.on_core(client_core),
            ):
                report = run(options, facts, folder, server_core)
        except Failed as failure:
            print(f"Not measured: {failure}", file=sys.stderr)
            return 2
    print(report.text())
    options.output.write_text(report.text())
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
