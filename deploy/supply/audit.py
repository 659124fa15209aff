"""Known vulnerabilities among everything that is locked, by pip-audit.

pip-audit calls a package that the database does not know "skipped", and ends well
if all of them are. Where a network lets only a part through, or a mirror of packages
stands in for it, that would look like a clean audit. Here it does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .made_of import EVERYTHING

#: How long the whole audit may take, in seconds.
AUDIT_SECONDS = 300
#: How long one answer of the database may take, in seconds.
ANSWER_SECONDS = 10


@dataclass
class Findings:
    """What an audit has found out."""

    audited: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    #: "name version: ids".
    vulnerable: list[str] = field(default_factory=list)
    #: Why there was no audit at all, or "".
    trouble: str = ""

    @property
    def exit_code(self) -> int:
        """0: everything was asked for, and is clean. 1: something is vulnerable.
        2: not known, because not all could be asked for."""
        if self.vulnerable:
            return 1
        return 2 if self.trouble or self.skipped or not self.audited else 0

    def sentences(self) -> list[str]:
        """What to tell the person who asked."""
        if self.trouble:
            return ["NOT AUDITED: no vulnerability database could be asked.", self.trouble]
        if not self.audited:
            return ["NOT AUDITED: the vulnerability database knows none of the packages."]
        said = [f"{len(self.audited)} packages audited, {len(self.vulnerable)} vulnerable."]
        if self.skipped:
            said.append(f"NOT AUDITED, because unknown there: {', '.join(self.skipped)}")
        return [*said, *self.vulnerable]


def audit(lock: Path = EVERYTHING) -> Findings:
    """Ask for every package of a lock; without a network nothing is found, and said."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock)]
    how = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*command, *how, "--timeout", str(ANSWER_SECONDS)],
            check=False,
            capture_output=True,
            text=True,
            timeout=AUDIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Findings(trouble=f"It did not answer within {AUDIT_SECONDS} s.")
    return read(done.stdout, done.stderr)


def read(out: str, complaint: str) -> Findings:
    """Understand pip-audit's answer.

    Args:
        out: its standard output, JSON unless it failed.
        complaint: its standard error.
    """
    try:
        answers: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        return Findings(trouble=(complaint.strip().splitlines() or ["It said nothing."])[-1])
    found = Findings()
    for answer in answers:
        if "skip_reason" in answer:
            found.skipped.append(answer["name"])
            continue
        found.audited.append(answer["name"])
        if ids := ", ".join(one["id"] for one in answer["vulns"]):
            found.vulnerable.append(f"{answer['name']} {answer['version']}: {ids}")
    return found
