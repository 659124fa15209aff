"""The channel layer over Redis, with patience.

channels_redis waits for a message for a tenth of a second at a time, however quiet it
is: an idle server woke up for that more often than for everything else together, and
each message paid for a time limit of its own.
"""

from __future__ import annotations

from typing import Any

from channels_redis import pubsub
from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection


class Patient:
    """A subscription of redis-py's that waits for a message as long as it takes. What ends
    it sooner is the end of the connection, of which redis-py's keepalive makes sure.

    Args:
        subscription: what receives them.
    """

    def __init__(self, subscription: Any) -> None:
        self._subscription = subscription

    def __getattr__(self, name: str) -> Any:
        return getattr(self._subscription, name)

    async def get_message(self, **options: Any) -> Any:
        """The next message, or None if it is none to pass on."""
        return await self._subscription.get_message(**options | {"timeout": None})


class PatientConnection(RedisSingleShardConnection):  # type: ignore[misc]
    """A connection to Redis, with a patient subscription."""

    _pubsub: Any

    def _ensure_redis(self) -> None:
        super()._ensure_redis()
        if not isinstance(self._pubsub, Patient):
            self._pubsub = Patient(self._pubsub)


#: channels_redis has no setting for it, and looks it up here for each event loop.
pubsub.RedisSingleShardConnection = PatientConnection


class ChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """channels_redis' layer of messages that nobody stores."""
