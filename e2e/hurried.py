"""The project's settings with a short-lived pen, for tests that let it run out."""

from project.settings import *  # noqa: F403

LEASE_SECONDS = 9.0
RENEW_SECONDS = 3.0
LIVE |= {"heartbeat_seconds": 0.5, "leave_grace_seconds": 2.0}  # noqa: F405
