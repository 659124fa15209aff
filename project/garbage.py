"""When Python looks for garbage, in a server with many open connections.

Python's full collection looks at everything there is, and nothing else runs meanwhile:
with a thousand open pages that is a fifth of a second, again whenever a quarter more
has come. But an open page is no garbage. So what connections consist of is put aside
(``gc.freeze``) soon after they have come, and Python looks only at what is new. What
of it refers to itself and has become garbage when the connections end, is looked for
only when as many have ended as are open, and two thousand at least (some 15 MB).
"""

from __future__ import annotations

import gc

#: From so many new connections on, they are put aside. Until then they are looked at.
NEW = 50
#: Everything is looked at after so many have ended, or as many as are open.
ENDED = 2_000


class Garbage:
    """Counts connections, and decides what is looked at."""

    def __init__(self) -> None:
        self._new = 0
        self._ended = 0

    def opened(self) -> None:
        """A connection has come."""
        self._new += 1

    def ended(self) -> None:
        """A connection has gone."""
        self._ended += 1

    def tidy(self, still_open: int) -> None:
        """Do what is due. For a server to call when it has a moment, once a second.

        Args:
            still_open: how many connections there are.
        """
        if self._ended >= max(ENDED, still_open):
            self._ended = 0
            gc.unfreeze()
            gc.collect()
        elif self._new >= NEW:
            gc.collect(1)  # what has come and gone already
        else:
            return
        self._new = 0
        gc.freeze()
