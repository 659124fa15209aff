"""The hardened Daphne, as far as it can be seen without a network."""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.exceptions import ImproperlyConfigured

from collab.live.conf import conf
from collab.live.metrics import meter
from project import event_loop
from project.server import Inbox

FRAME: dict[str, Any] = {"type": "websocket.receive", "text": "x"}
END: dict[str, Any] = {"type": "websocket.disconnect", "code": 1006}


def inbox() -> tuple[Inbox, asyncio.Queue[dict[str, Any]], Mock]:
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    protocol = Mock()
    return Inbox(protocol, queue), queue, protocol.transport.abortConnection


def test_who_sends_more_than_can_be_read_is_cut() -> None:
    """What it sent is forgotten; the application still learns of the end."""
    box, queue, abort = inbox()
    counted = meter.counts["cut_flood"]
    for _ in range(conf().inbound_frames):
        box.put_nowait(FRAME)
    assert queue.qsize() == conf().inbound_frames
    assert not abort.called
    for _ in range(3):
        box.put_nowait(FRAME)
    assert queue.empty()
    abort.assert_called_once_with()
    assert meter.counts["cut_flood"] == counted + 1
    box.put_nowait(END)
    assert queue.get_nowait() == END


def test_who_waits_to_be_read_may_send_on() -> None:
    """However much it is in all."""
    box, queue, abort = inbox()
    for _ in range(conf().inbound_frames * 10):
        box.put_nowait(FRAME)
        queue.get_nowait()
    assert not abort.called


def test_the_event_loop_is_one_that_exists() -> None:
    with pytest.raises(ImproperlyConfigured, match="asyncio or uvloop, not 'uvlop'"):
        event_loop.choose("uvlop")


def test_uvloop_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it is told what to do, and does not get another one in silence."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ImproperlyConfigured, match="which is not installed: install the version"):
        event_loop.choose("uvloop")


def test_uvloop_must_come_first() -> None:
    """Daphne, which the tests have loaded, chose its loop."""
    with pytest.raises(ImproperlyConfigured, match=r"is for manage\.py serve"):
        event_loop.choose("uvloop")
