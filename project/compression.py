"""What autobahn is to agree on when a client offers to compress messages.

What the server sends is compressed by the engine, once for everybody
(``collab/live/deflate.py``); autobahn's part is the answer to the offer, and what
clients send. It would keep a window of 32 KB for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from autobahn.websocket import compress
from autobahn.websocket.compress_deflate import (
    PerMessageDeflate,
    PerMessageDeflateOffer,
    PerMessageDeflateOfferAccept,
)

from collab.live.deflate import ACCEPTED


class SharedDeflate(PerMessageDeflate):
    """Takes apart what a client sends, and keeps nothing of it."""

    def end_decompress_message(self) -> None:
        super().end_decompress_message()  # type: ignore[no-untyped-call]
        self._decompressor = None


#: Autobahn has no setting for it, and looks it up here for each connection.
compress.PERMESSAGE_COMPRESSION_EXTENSION[PerMessageDeflate.EXTENSION_NAME]["PMCE"] = SharedDeflate


class SharedDeflateAccept(PerMessageDeflateOfferAccept):
    """The answer to an offer: no message refers to one before, in either direction."""

    def __init__(self, offer: PerMessageDeflateOffer) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            offer, request_no_context_takeover=True, no_context_takeover=True
        )

    def get_extension_string(self) -> str:
        return ACCEPTED


def accept(offers: Iterable[object]) -> SharedDeflateAccept | None:
    """Accept the first offer that the engine's frames fit.

    Args:
        offers: as autobahn has read them.

    Returns:
        None for no compression: there is none among them, or the client would look
        back on less than the engine's frames ask for.
    """
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer) and not offer.request_max_window_bits:
            return SharedDeflateAccept(offer)
    return None
