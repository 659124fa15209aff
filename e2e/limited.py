"""The project's settings with limits that a person reaches in a moment."""

from project.settings import *  # noqa: F403

LIMITS |= {"autosaves_per_minute": 6, "storage_megabytes": 1, "draft_megabytes": 1}  # noqa: F405
LIVE |= {"sockets_per_person": 2}  # noqa: F405
