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


#: The system's browsers, the first that is there. The shell has no windows to
#: draw and so takes a third less of a machine, but it denies every notification.
SHELL = ("chromium-headless-shell",)
FULL = ("chromium", "chromium-browser", "google-chrome")


def launch_options(playwright: Playwright, *, full: bool = False) -> dict[str, Any]:
    """Playwright's own Chromium where it is installed, else the system's.

    Args:
        full: the whole browser, where the lighter headless shell would not do.

    Raises:
        FileNotFoundError: there is neither.
    """
    options: dict[str, Any] = {"args": [*FLAGS]}
    if os.geteuid() == 0:
        options["args"].append("--no-sandbox")
    if Path(playwright.chromium.executable_path).exists():
        return options | ({"channel": "chromium"} if full else {})
    return options | {"executable_path": _system(FULL if full else SHELL + FULL)}


def _system(names: tuple[str, ...]) -> str:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError("There is no Chromium: run `playwright install chromium`.")
    return found
