"""Which Chromium, and how it is started."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Playwright

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def launch_options(playwright: Playwright) -> dict[str, Any]:
    """Playwright's own Chromium where it is installed, else the system's.

    Raises:
        FileNotFoundError: there is neither.
    """
    options: dict[str, Any] = {"args": [*FLAGS]}
    if os.geteuid() == 0:
        options["args"].append("--no-sandbox")
    if not Path(playwright.chromium.executable_path).exists():
        found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        system = os.environ.get("CHROMIUM") or next(filter(None, found), None)
        if system is None:
            raise FileNotFoundError("There is no Chromium: run `playwright install chromium`.")
        options["executable_path"] = system
    return options
