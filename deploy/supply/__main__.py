"""``python -m deploy.supply licences``, ``sbom [FILE]``, ``audit``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import licences, sbom
from .audit import audit


def main(arguments: list[str]) -> int:
    """Do what is asked. Returns 0; of an audit 1 if something is vulnerable, and 2 if
    that could not be found out."""
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
        return found.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
