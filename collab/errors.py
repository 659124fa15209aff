"""What can go wrong, as sentences for the person concerned."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


class CollabError(Exception):
    """Something a person did could not be done; ``str()`` says what to do."""


class StaleSave(CollabError):
    """A save came under a fence or a version that has passed."""

    def __str__(self) -> str:
        return _(
            "Somebody saved this document after you opened it. "
            "Nothing is lost: both texts are shown below."
        )


class UnknownStay(CollabError):
    """An editor sent a fence or a version that its document never had."""

    def __str__(self) -> str:
        return _(
            "This page does not fit its document. Your text is still here: "
            "copy it, and open the editor again."
        )


class TooLong(CollabError):
    """A text is larger than a document may be."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__()
        self.size, self.limit = size, limit

    def __str__(self) -> str:
        return _(
            "This text has %(size)d KB; a document holds up to %(limit)d KB. "
            "Nothing is lost: split it into two documents and save again."
        ) % {"size": self.size // 1000, "limit": self.limit // 1000}


class PenTaken(CollabError):
    """Something needs the pen while somebody else has it."""

    def __str__(self) -> str:
        return _("Somebody is editing this document. Try again when they have finished.")


class HeadingTaken(CollabError):
    """Something needs title and cover while somebody else is changing them."""

    def __str__(self) -> str:
        return _(
            "Somebody is changing the title or the cover of this document. "
            "Try again when they have finished."
        )


class StaleHeading(CollabError):
    """A change of title or cover came under a fence or a version that has passed."""

    def __str__(self) -> str:
        return _(
            "Somebody changed the title or the cover after you opened this page. "
            "Yours is still here: save it again if it is to be the one."
        )


class UsedInvitation(CollabError):
    """An invitation that opens nothing any more."""

    def __str__(self) -> str:
        return _("This invitation has been used, or has ended. Ask for another.")


class Refused(CollabError):
    """A limit (see :mod:`collab.limits`) has been reached; nothing was done.

    Attributes:
        status: of the answer to a request.
        retry_seconds: when it may be tried again.
    """

    #: RFC 4918, section 11.5: Insufficient Storage.
    status = 507
    retry_seconds = 60


class TooOften(Refused):
    """Somebody does something more often than anybody does by hand."""

    #: RFC 6585, section 4: Too Many Requests.
    status = 429

    def __init__(self, retry_seconds: int) -> None:
        super().__init__()
        self.retry_seconds = retry_seconds

    def __str__(self) -> str:
        return ngettext(
            "That was too often in a short time. Try again in %(seconds)d second.",
            "That was too often in a short time. Try again in %(seconds)d seconds.",
            self.retry_seconds,
        ) % {"seconds": self.retry_seconds}


class TooManyAtOnce(Refused):
    """Somebody wants more long answers at a time than anybody reads."""

    status = 429
    retry_seconds = 30

    def __str__(self) -> str:
        return _("You are being sent two archives already. Try again when one of them has arrived.")


class TooManyDocuments(Refused):
    """A person has written as many documents as one may."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __str__(self) -> str:
        return _(
            "You have %(limit)d documents, as many as one person may have here. Delete some "
            "for good (those in the trash count, too), or ask an administrator for more."
        ) % {"limit": self.limit}


class Full(Refused):
    """What a person has written takes all the space that one may take."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __str__(self) -> str:
        return _(
            "Your space of %(limit)d MB is full. Delete documents for good (those in the trash "
            "count, too), or ask an administrator for more."
        ) % {"limit": self.limit}


class BadImage(CollabError):
    """An upload that is no acceptable picture."""


class BadMarkdown(CollabError):
    """A file that cannot be imported."""


class CannotErase(CollabError):
    """Somebody who cannot be erased, or not yet; ``str()`` says why."""
