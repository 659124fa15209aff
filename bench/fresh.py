"""A part of a run in a process of its own, with its own settings and database.

Django reads its settings once in a process; what is measured on SQLite and on
PostgreSQL, or on an empty database each time, needs one for each.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import django

from .processes import free_port


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The product's configuration for a part that writes to ``folder``.

    Args:
        folder: for data and logs.
        settings: further environment variables, such as ``DATABASE_URL``.
    """
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        # What writes here does it as fast as it gets answers.
        "LIMITS": "saves_per_minute=0,autosaves_per_minute=0,comparisons_per_minute=0,"
        "previews_per_minute=0,changes_per_minute=0",
        "DATA_DIR": str(folder),
        "SECRET_KEY": "only-for-this-measurement-and-never-served-to-anybody",
        "PORT": str(free_port()),
        "LOG_LEVEL": "ERROR",
        **settings,
    }


def call(module: str, options: argparse.Namespace, settings: Mapping[str, str]) -> Any:
    """What ``measure(options)`` of a module returns, in a process of its own.

    Args:
        module: its full name; it may import the product's models.
        options: of the run; they must be plain values.
        settings: the environment of that process, see :func:`environment`.

    Raises:
        Failed: something under test did not work.
    """
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawning, _configure, (dict(settings),)) as process:
        return process.submit(_measure, module, options).result()


def _configure(settings: dict[str, str]) -> None:
    os.environ.update(settings)
    django.setup()


def _measure(module: str, options: argparse.Namespace) -> Any:
    # Its models can be imported only now that the settings are there.
    return importlib.import_module(module).measure(options)
