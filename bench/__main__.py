"""``python -m bench``: measure, print, and write ``bench/RESULTS.md``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from e2e.services import postgres_server

from . import growth_report, machine, targets, typing_report
from .client import Failed
from .fresh import call, environment
from .processes import ROOT, free_port, redis, running
from .results import FIGURES, Moment, Section, keep, kept, put, replace_between, written

RESULTS = Path(__file__).with_name("RESULTS.md")
README = ROOT / "README.md"
DOCS = ROOT / "docs"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)} (all)"
    )
    parser.add_argument("--sockets", type=int, default=1000, help="open pages (1000)")
    parser.add_argument(
        "--many", type=int, default=5000, help="open pages, where there are many (5000)"
    )
    parser.add_argument("--rounds", type=int, default=20, help="isolated events per way (20)")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each series (6)")
    parser.add_argument("--people", type=int, default=1000, help="people behind the pages (1000)")
    parser.add_argument("--documents", type=int, default=10_000, help="there are (10000)")
    parser.add_argument("--storm", type=float, default=4.0, help="seconds of many events (4)")
    parser.add_argument("--growth", type=float, default=2.0, help="seconds per point (2)")
    parser.add_argument("--writers", type=int, default=50, help="people typing (50)")
    parser.add_argument("--typing", type=float, default=20.0, help="seconds they type (20)")
    parser.add_argument("--merging", type=float, default=40.0, help="seconds per long text (40)")
    parser.add_argument("--versions", type=int, default=1000, help="in the long history (1000)")
    parser.add_argument("--kept", type=int, default=10_000, help="versions stored (10000)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the report goes")
    options = parser.parse_args()
    if unknown := set(options.sections) - SECTIONS.keys():
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    return options


Measurement = Callable[[argparse.Namespace, Path], Section]


def beside_redis(module: str) -> Measurement:
    """A measurement of the product with a Redis of its own, in a process of its own."""

    def measure(options: argparse.Namespace, folder: Path) -> Section:
        port, log = free_port(), folder / "redis.log"
        settings = environment(folder, REDIS_URL=f"redis://127.0.0.1:{port}/0")
        _, client_core = machine.cores()
        with running(redis(port, folder), port, core=client_core, log=log):
            section: Section = call(module, options, settings)
            return section

    return measure


def editing(options: argparse.Namespace, folder: Path) -> Section:
    """Many people type at once, on either database."""
    lite = call("bench.editing", options, environment(folder))
    (folder / "collab.sqlite3").unlink()
    with postgres_server() as postgres:
        settings = environment(folder, DATABASE_URL=postgres.database())
        server = call("bench.editing", options, settings)
    return typing_report.section(options.writers, {"SQLite": lite, "PostgreSQL": server})


def history(options: argparse.Namespace, folder: Path) -> Section:
    """A history of many versions."""
    section: Section = call("bench.history", options, environment(folder))
    return section


def storage(options: argparse.Namespace, folder: Path) -> Section:
    """What versions cost to keep."""
    section: Section = call("bench.storage", options, environment(folder))
    return section


SECTIONS: Mapping[str, Measurement] = {
    "fanout": beside_redis("bench.fanout"),
    "storms": beside_redis("bench.storms"),
    "editors": beside_redis("bench.editors"),
    "opening": beside_redis("bench.opening"),
    "restart": beside_redis("bench.restart"),
    "growth": beside_redis("bench.growth"),
    "editing": editing,
    "merging": beside_redis("bench.merging"),
    "history": history,
    "storage": storage,
}
#: Of the report's parts.
ORDER = ["table", *SECTIONS]


def main() -> int:
    """Returns 0 when the promises are kept, 1 when not, 2 when it could not be measured."""
    options = parse()
    machine.allow_open_files(max(options.sockets, options.many))
    facts = machine.description()
    figures = options.output.with_name(FIGURES)
    promises_kept, run = True, Moment.now()
    if not options.sections:
        figures.unlink(missing_ok=True)  # no row of the table is another call's
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
        put(options.output, facts, name, text, ORDER)
        if section.figures:
            numbers = keep(figures, facts, name, section.figures, moment, run)
            publish(options.output, numbers)
        promises_kept = promises_kept and not section.failures
    together = kept(figures)
    if targets.targets(together):
        print(targets.written(together))
    return 0 if promises_kept and not targets.failures(together) else 1


def publish(output: Path, figures: Mapping[str, Any]) -> None:
    """Write the table and the plots anew.

    Args:
        output: the report, where the table comes first.
        figures: of all sections measured so far.
    """
    table = targets.written(figures)
    put(output, figures["machine"], "table", f"## The table\n\n{table}", ORDER)
    if output == RESULTS:
        replace_between(README, table)
        if "growth" in figures:
            for name, drawing in growth_report.plots(figures["growth"]).items():
                (DOCS / name).write_text(drawing)


if __name__ == "__main__":
    sys.exit(main())
