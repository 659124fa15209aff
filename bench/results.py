"""``bench/RESULTS.md``: one section per measurement, each replaced by its next run."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The same for programs, beside the report.
FIGURES = "results.json"
HEAD = "# Measured by `make bench`\n"
#: Stands before each section, and is not shown.
LABEL = re.compile(r"^<!-- (\w+) -->\n", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One measurement's part of the results.

    Attributes:
        title: its heading.
        body: Markdown.
        failures: the promises that were not kept, one sentence each.
        figures: the same for programs, as JSON can hold it.
    """

    title: str
    body: str
    failures: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """When something was measured, and how busy the machine was just before."""

    at: dt.datetime
    load: tuple[float, float, float]

    @classmethod
    def now(cls) -> Moment:
        return cls(dt.datetime.now(dt.UTC), os.getloadavg())

    def __str__(self) -> str:
        load = " ".join(f"{one:.2f}" for one in self.load)
        return f"{self.at:%Y-%m-%d %H:%M} UTC, load average before it {load}"


def written(section: Section, moment: Moment) -> str:
    """A section as Markdown."""
    verdict = "".join(f"\n\n**Not kept:** {failure}" for failure in section.failures)
    return f"## {section.title}\n\n*{moment}*\n\n{section.body.strip()}{verdict}\n"


def put(path: Path, machine: Sequence[str], name: str, text: str, order: Sequence[str]) -> None:
    """Write a section into the file; the others stay as they are.

    Args:
        path: the file, made if it is missing.
        machine: facts about where this was measured, for the top of the file.
        name: of the section.
        text: as :func:`written` gives it.
        order: the names of all sections in the order of the file.
    """
    before = path.read_text() if path.exists() else ""
    _, *parts = LABEL.split(before)
    sections = {**dict(zip(parts[::2], parts[1::2], strict=True)), name: text}
    facts = "".join(f"- {fact}\n" for fact in machine)
    kept = (f"<!-- {one} -->\n{sections[one].strip()}\n" for one in order if one in sections)
    path.write_text("\n".join([HEAD, facts, *kept]))


def kept(path: Path) -> dict[str, Any]:
    """The figures of all sections that have been measured, by name."""
    return dict(json.loads(path.read_text())) if path.exists() else {}


def keep(
    path: Path,
    machine: Sequence[str],
    name: str,
    figures: Mapping[str, Any],
    moment: Moment,
    run: Moment,
) -> dict[str, Any]:
    """Put a section's figures with those of the others; returns all.

    Args:
        path: the file.
        machine: facts about where this was measured.
        name: of the section.
        figures: what was measured.
        moment: when it began.
        run: when the call began that measured it, and perhaps others.
    """
    times = {"at": moment.at.isoformat(timespec="seconds"), "load": list(moment.load)}
    mine = {"run": run.at.isoformat(timespec="seconds"), **times, **figures}
    together = {**kept(path), "machine": list(machine), name: mine}
    path.write_text(json.dumps(together, indent=2) + "\n")
    return together


def replace_between(path: Path, text: str) -> None:
    """Replace what stands between the two lines ``<!-- measured -->`` of a file."""
    line = "<!-- measured -->\n"
    before, _, after = path.read_text().split(line)
    path.write_text(f"{before}{line}{text.strip()}\n{line}{after}")
