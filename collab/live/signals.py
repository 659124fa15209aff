"""What the engine tells the product.

All are sent from the engine's own threads, where the database may be used.

``joined`` and ``left``: pages came or are gone for good (their grace is over, or they
    were cut because their person may not have them open).
    ``pages``: list of :class:`~collab.live.presence.Page`. Of a page that was lost
    without a goodbye nobody knows whether it is closed: it has left without its
    claim, which it may still believe in.
``returned``: pages whose socket was gone are back within their grace. ``pages`` as
    above.
``heartbeat``: this process has just proved its life.
    ``pages``: every page this process holds; the product renews what they hold.
``swept``: once per sweep, for the product's own expiries.
"""

from django.dispatch import Signal

joined = Signal()
left = Signal()
returned = Signal()
heartbeat = Signal()
swept = Signal()
