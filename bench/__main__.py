"""``python -m bench``: measure, print, and write ``bench/RESULTS.md``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from e2e.services import postgres_server

from . import machine, typing_report
from .client import Failed
from .fresh import call, environment
from .processes import free_port, redis, running
from .results import Moment, Section, put, written

RESULTS = Path(__file__).with_name("RESULTS.md")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)} (all)"
    )
    parser.add_argument("--sockets", type=int, default=1000, help="open pages (1000)")
    parser.add_argument("--many", type=int, default=5000, help="open pages, where there are many (5000)")
    parser.add_argument("--rounds", type=int, default=20, help="isolated events per way (20)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each series (6)")
    parser.add_argument("--people", type=int, default=1000, help="people behind the pages (1000)")
    parser.add_argument("--documents", type=int, default=10_000, help="there are (10000)")
    parser.add_argument("--storm", type=float, default=4.0, help="seconds of many events (4)")
    parser.add_argument("--growth", type=float, default=2.0, help="seconds per point (2)")
    parser.add_argument("--writers", type=int, default=50, help="people typing (50)")
    parser.add_argument("--typing", type=float, default=20.0, help="seconds they type (20)")
    parser.add_argument("--merging", type=float, default=20.0, help="seconds per long text (20)")
    parser.add_argument("--versions", type=int, default=1000, help="in the long history (1000)")
    parser.add_argument("--kept", type=int, default=10_000, help="versions stored (10000)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the report goes")
    options = parser.parse_args()
    if unknown := set(options.sections) - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    return options


def live(options: argparse.Namespace, folder: Path) -> Section:
    """Events on many sockets."""
    return _with_redis("bench.live", options, folder)


def editing(options: argparse.Namespace, folder: Path) -> Section:
    """Many people type at once, on either database."""
    lite = call("bench.editing", options, environment(folder))
    (folder / "collab.sqlite3").unlink()
    with postgres_server() as postgres:
        settings = environment(folder, DATABASE_URL=postgres.database())
        server = call("bench.editing", options, settings)
    return typing_report.section(options.writers, {"SQLite": lite, "PostgreSQL": server})


def merging(options: argparse.Namespace, folder: Path) -> Section:
    """Long texts are merged and compared."""
    return _with_redis("bench.merging", options, folder)


def history(options: argparse.Namespace, folder: Path) -> Section:
    """A history of many versions."""
    section: Section = call("bench.history", options, environment(folder))
    return section


def storage(options: argparse.Namespace, folder: Path) -> Section:
    """What versions cost to keep."""
    section: Section = call("bench.storage", options, environment(folder))
    return section


def _with_redis(module: str, options: argparse.Namespace, folder: Path) -> Section:
    port, log = free_port(), folder / "redis.log"
    settings = environment(folder, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    _, client_core = machine.cores()
    with running(redis(port, folder), port, core=client_core, log=log):
        section: Section = call(module, options, settings)
        return section


SECTIONS: Mapping[str, Callable[[argparse.Namespace, Path], Section]] = {
    "live": live,
    "editing": editing,
    "merging": merging,
    "history": history,
    "storage": storage,
}


def main() -> int:
    """Returns 0 when the promises are kept, 1 when not, 2 when it could not be measured."""
    options = parse()
    machine.allow_open_files(options.sockets)
    kept = True
    for name in options.sections or SECTIONS:
        moment = Moment.now()
        with tempfile.TemporaryDirectory(prefix="collab-bench-") as folder:
            try:
                section = SECTIONS[name](options, Path(folder))
            except Failed as failure:
                print(f"Not measured: {failure}", file=sys.stderr)
                return 2
        text = written(section, moment)
        print(text)
        put(options.output, machine.description(), name, text, list(SECTIONS))
        kept = kept and not section.failures
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
