"""Queries that are asked again and again, built once.

Django builds the SQL of a query set anew each time, which takes thirty times as
long as SQLite takes to answer it. A badge is read at every event on its document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from .conf import LiveConf, conf


class Prepared:
    """A query of rows by keys, or of one and the same rows.

    Args:
        build: from keys to a query set of values, each key a parameter of its own;
            without keys for :meth:`all`.
            Nothing else in it may vary, except with the engine's configuration. Its
            values come as the database has them, so numbers and texts only.
        parameter: what ``build`` makes of a key.
    """

    def __init__(
        self,
        build: Callable[[Sequence[int]], QuerySet[Any, Any]],
        parameter: Callable[[int], int | str] = int,
    ) -> None:
        self._build = build
        self._parameter = parameter
        self._built = lru_cache(maxsize=32)(self._build_for)

    def rows(self, keys: Sequence[int]) -> Sequence[tuple[Any, ...]]:
        """The rows for these keys; none without keys."""
        if not keys:
            return ()
        # A power of two, so that few sizes are built; a key may be asked for twice.
        size = 1 << (len(keys) - 1).bit_length()
        sql, parameters, places = self._built(size, conf(), connection.vendor)
        filled = list(parameters)
        for place, number in places:
            filled[place] = self._parameter(keys[min(number, len(keys) - 1)])
        return _rows(sql, filled)

    def all(self) -> Sequence[tuple[Any, ...]]:
        """The rows of a query that has no keys."""
        sql, parameters, _ = self._built(0, conf(), connection.vendor)
        return _rows(sql, parameters)

    def _build_for(
        self, size: int, conf: LiveConf, vendor: str
    ) -> tuple[str, Sequence[Any], Sequence[tuple[int, int]]]:
        """The SQL, its parameters, and where among them which key stands."""
        # No row has a negative id, so these can be told from all other parameters.
        numbers = {self._parameter(-1 - number): number for number in range(size)}
        query = self._build([-1 - number for number in range(size)]).query
        sql, parameters = query.sql_with_params()
        places = [(n, numbers[p]) for n, p in enumerate(parameters) if p in numbers]
        return sql, parameters, places


def _rows(sql: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return found
