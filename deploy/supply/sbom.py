"""The software bill of materials, in CycloneDX's JSON: what the lock names, by the
cyclonedx tool, with the licences and the vendored files that it cannot know.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from .made_of import ROOT, RUNTIME, VENDORED, Vendored, digests, licence_of

SCHEMA = SchemaVersion.V1_6


class BadBill(Exception):
    """The bill does not follow CycloneDX's schema."""


def bill() -> dict[str, Any]:
    """The bill, the same for the same lock.

    Raises:
        UnknownLicence: a package does not say.
        BadBill: what came of it is no valid CycloneDX.
    """
    made: dict[str, Any] = json.loads(_of_the_lock())
    for component in made["components"]:
        # The tool quotes the lock's lines with all their hashes, which stand beside.
        component.pop("description", None)
        component["bom-ref"] = component["purl"]
        component["licenses"] = [{"expression": licence_of(component["name"])}]
    made["components"] += [_component(vendored) for vendored in VENDORED]
    root = made["metadata"]["component"]["bom-ref"]
    refs = sorted(component["bom-ref"] for component in made["components"])
    made["dependencies"] = [{"ref": root, "dependsOn": refs}, *({"ref": ref} for ref in refs)]
    _check(made)
    return made


def write(to: Path) -> int:
    """Write the bill to a file; returns how many components it names."""
    made = bill()
    to.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")
    return len(made["components"])


def _of_the_lock() -> str:
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements"]
    about = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application"]
    form = ["--output-reproducible", "--output-format", "JSON"]
    schema = ["--spec-version", SCHEMA.to_version()]
    done = subprocess.run(
        [*command, *about, *form, *schema, str(RUNTIME)], check=True, capture_output=True, text=True
    )
    return done.stdout


def _component(vendored: Vendored) -> dict[str, Any]:
    ref = f"static/{vendored.name}"
    files = [
        {
            "type": "file",
            "bom-ref": f"static/{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        for name, digest in digests(vendored)
    ]
    about = {"version": vendored.version} if vendored.version else {}
    return {
        **about,
        "type": "library",
        "bom-ref": ref,
        "name": vendored.name,
        "licenses": [{"expression": vendored.licence}],
        "externalReferences": [{"type": "website", "url": vendored.url}],
        "components": files,
    }


def _check(made: dict[str, Any]) -> None:
    validator = make_schemabased_validator(OutputFormat.JSON, SCHEMA)
    if fault := validator.validate_str(json.dumps(made)):
        raise BadBill(str(fault))
