"""The table of licences, ``docs/licences.md``: made from the lock, and compared with
it by a test.
"""

from __future__ import annotations

from pathlib import Path

from .made_of import ROOT, VENDORED, Package, licence_of, packages

TABLE = ROOT / "docs" / "licences.md"
HEAD = (
    "# Licences\n\n"
    "What Collab ships or installs to run, and under which licence. `make licences` writes "
    "this file from `requirements.lock`, and a test compares the two.\n\n"
    "Collab itself is under [BSD-3-Clause](../LICENSE). Packages under the GPL or the LGPL "
    "(merge3; psycopg, zipstream-ng) ask more of whoever passes them on than to keep their "
    "notices. None is part of Collab's source; they are installed beside it. Whoever "
    "distributes Collab together with merge3, as an image for example, does so under the GPL.\n"
)


def table() -> str:
    """The whole file.

    Raises:
        UnknownLicence: a package does not say.
    """
    rows = [f"| {p.name} | {p.version} | {licence_of(p.name)} | {_only(p)} |" for p in packages()]
    files = [
        f"| [{v.name}]({v.url}) | {v.version} | {v.licence} | "
        f"[text](../static/{v.text}) | {', '.join(f'`{name}`' for name in v.files)} |"
        for v in VENDORED
    ]
    return "\n".join(
        [
            HEAD,
            "## Packages",
            "",
            "Each has its licence's text in its own installed files.",
            "",
            "| Package | Version | Licence | Installed only where |",
            "|---|---|---|---|",
            *rows,
            "",
            "## Files below `static/`",
            "",
            "| Name | Version | Licence | | Files |",
            "|---|---|---|---|---|",
            *files,
            "",
        ]
    )


def _only(package: Package) -> str:
    return f"`{package.only}`" if package.only else ""


def write(to: Path = TABLE) -> None:
    """Write the file anew."""
    to.write_text(table())
