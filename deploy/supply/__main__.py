"""``python -m deploy.supply licences``, ``sbom [FILE]``, ``audit``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import licences, sbom
from .audit import audit


def main(arguments: list[str]) -> int:
    """Do what is asked; returns 1 if the audit found something."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply", description=__doc__)
    parser.add_argument("what", choices=("licences", "sbom", "audit"))
    parser.add_argument("file", nargs="?", type=Path, default=Path("sbom.json"))
    asked = parser.parse_args(arguments)
    if asked.what == "licences":
        licences.write()
        print(f"{licences.TABLE.name} is written.")
    elif asked.what == "sbom":
        print(f"{asked.file}: {sbom.write(asked.file)} components.")
    else:
        found = audit()
        print("\n".join(found.sentences()))
        return 1 if found.vulnerable else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
