"""The product's promises in time and size, with their units. The engine's own
are in :mod:`collab.live.conf`.
"""

from __future__ import annotations

from django.conf import settings

#: An edit lease ends this long after its last renewal.
LEASE_SECONDS: float = getattr(settings, "LEASE_SECONDS", 30.0)
#: The server renews the leases of connected pages this often.
RENEW_SECONDS: float = getattr(settings, "RENEW_SECONDS", 10.0)
#: Editors are told of renewals at most this often (whoever opens an editor brings one).
PULSE_SECONDS: float = getattr(settings, "PULSE_SECONDS", 2.0)
#: Who is asked for the pen has this long to answer; then it is handed over.
ANSWER_SECONDS: float = getattr(settings, "ANSWER_SECONDS", 30.0)
#: A holder without a keystroke for this long hands over when asked, at once.
IDLE_SECONDS: float = getattr(settings, "IDLE_SECONDS", 600.0)
#: At a handover the holder's page has this long to store what is in it.
FLUSH_SECONDS: float = getattr(settings, "FLUSH_SECONDS", 2.0)
#: Who watches somebody write sees a new state at most this often.
WATCH_SECONDS: float = getattr(settings, "WATCH_SECONDS", 1.0)
#: The status page is rendered at most this often.
STATUS_SECONDS: float = getattr(settings, "STATUS_SECONDS", 2.0)
#: A toast goes after this long, unless somebody points at it.
TOAST_SECONDS: float = 8.0
#: Events of one document that follow each other within this time are one toast.
TOGETHER_SECONDS: float = getattr(settings, "TOGETHER_SECONDS", 30.0)
#: A cut of the connection that is shorter is not worth a word.
BANNER_SECONDS: float = 3.0
#: An editor sends a draft after a pause in the typing of this length...
PAUSE_SECONDS: float = getattr(settings, "PAUSE_SECONDS", 0.4)
#: ...and at least this often.
AUTOSAVE_SECONDS: float = getattr(settings, "AUTOSAVE_SECONDS", 2.0)
#: Whoever types a title tells so this often.
HOLD_SECONDS: float = getattr(settings, "HOLD_SECONDS", 5.0)
#: A person who comes back to a document within this time has not "opened" it anew.
REOPEN_SECONDS: float = getattr(settings, "REOPEN_SECONDS", 300.0)
#: The trash keeps a document for this many days.
TRASH_DAYS: int = getattr(settings, "TRASH_DAYS", 30)

#: An invitation can be used for this many days.
INVITATION_DAYS: int = getattr(settings, "INVITATION_DAYS", 7)

#: Longest title, in characters.
TITLE_CHARACTERS = 200
#: Longest text, in bytes of UTF-8 (200 KB render in 0.4 s).
TEXT_BYTES = 200_000
#: Longest reason for taking somebody's pen, and longest name of a revision.
REASON_CHARACTERS = 200
REVISION_NAME_CHARACTERS = 100
#: Largest cover image, in bytes and in pixels (a picture can be a bomb).
COVER_BYTES = 5 * 1024 * 1024
COVER_PIXELS = 40_000_000
#: Longest side a cover is stored with, in pixels.
COVER_SIDE_PIXELS = 1600
#: Documents on a page of the dashboard.
PAGE_SIZE = 50
#: Names in a badge before "+N".
BADGE_NAMES = 3
#: Faces shown beside the counter.
FACES = 5
