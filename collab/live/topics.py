"""Topics: the names of what can change.

An event says "topic X changed" and nothing else. Whoever shows X renders the
current state; a lost, doubled or late event costs at most time, never truth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models.signals import post_delete, post_save

from . import bus

M = TypeVar("M", bound=models.Model)


def changed(*topics: str) -> None:
    """Say that ``topics`` changed, once the current transaction has committed.

    Outside a transaction the event leaves at once; a rollback takes it back.
    Never raises: a write must not fail because nobody could be told.
    """
    transaction.on_commit(partial(bus.announce, topics), robust=True)


def bind(model: type[M], topics: Callable[[M], tuple[str, ...]]) -> None:
    """Data binding: saving or deleting an instance changes its topics.

    Query-set updates send no signals in Django, so operations that use them
    call :func:`changed` themselves.

    Args:
        model: the bound model.
        topics: from an instance to the topics it stands for.
    """

    def dirty(sender: type[M], instance: M, raw: bool = False, **kwargs: Any) -> None:
        if not raw:  # loading a fixture is not an event
            changed(*topics(instance))

    uid = f"live.bind.{model._meta.label}"  # noqa: SLF001  (Django's documented API)
    post_save.connect(dirty, sender=model, weak=False, dispatch_uid=uid)
    post_delete.connect(dirty, sender=model, weak=False, dispatch_uid=uid)
