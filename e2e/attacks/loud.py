"""Settings under which nothing is passed over in silence: what Twisted and autobahn write
down for themselves, which Daphne keeps out of the log, is in the server's log as well.
"""

from __future__ import annotations

from twisted.python.log import PythonLoggingObserver

from project.settings import *  # noqa: F403

PythonLoggingObserver("twisted").start()  # type: ignore[no-untyped-call]
# An attack opens more sockets in a minute than any person does.
LIVE |= {"socket_opens_per_minute": 0}  # noqa: F405
