"""The channel layer over Redis."""

from __future__ import annotations

import socket
from unittest.mock import AsyncMock

from channels_redis.pubsub import RedisSingleShardConnection

from project.layers import ChannelLayer, Patient, PatientConnection


async def test_its_connections_are_patient() -> None:
    """Each of them, and it stays the same subscription."""
    layer = ChannelLayer(hosts=["redis://127.0.0.1:1", "redis://127.0.0.1:2"])
    shards = layer._get_layer()._shards
    assert [type(shard) for shard in shards] == [PatientConnection] * 2
    for shard in shards:
        shard._ensure_redis()
        subscription = shard._pubsub
        assert isinstance(subscription, Patient)
        assert not subscription.subscribed
        shard._ensure_redis()
        assert shard._pubsub is subscription


async def test_a_subscription_waits_as_long_as_it_takes() -> None:
    """All else is passed on as it comes."""
    inner = AsyncMock(**{"get_message.return_value": {"data": b"x"}})
    message = await Patient(inner).get_message(ignore_subscribe_messages=True, timeout=0.1)
    assert message == {"data": b"x"}
    inner.get_message.assert_awaited_once_with(ignore_subscribe_messages=True, timeout=None)


async def test_a_connection_that_died_silently_ends() -> None:
    """A subscription only listens, so nothing else would notice that."""
    layer = ChannelLayer(hosts=["redis://127.0.0.1:1"])
    (shard,) = layer._get_layer()._shards
    shard._ensure_redis()
    connection = shard._redis.connection_pool.make_connection()
    assert connection.socket_keepalive
    assert {socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT} <= set(
        connection.socket_keepalive_options
    )


def test_channels_redis_still_asks_as_it_did() -> None:
    """What is overridden is there, and asks for messages with a timeout."""
    asking = RedisSingleShardConnection._do_receiving.__code__
    assert {"_pubsub", "get_message"} <= set(asking.co_names)
    assert ("ignore_subscribe_messages", "timeout") in asking.co_consts
    assert "_pubsub" in RedisSingleShardConnection._ensure_redis.__code__.co_names
