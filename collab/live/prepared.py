"""Queries that are asked again and again, built once.

Django builds the SQL of a query set anew each time, which takes thirty times as
long as SQLite takes to answer it. A badge is read at every event on its document.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model, QuerySet
from django.db.models.sql import Query

from .conf import LiveConf, conf


class Shape(NamedTuple):
    """How objects are made of the rows of a query.

    Attributes:
        query: what is asked, with whatever keys; and of which model.
        columns: the expressions that are selected.
        places: where among them those of the object are, and of which fields.
    """

    query: Query
    model: type[Model]
    columns: Sequence[Any]
    places: Sequence[int]
    fields: Sequence[str]


class Prepared:
    """A query of rows by keys, or of one and the same rows.

    Args:
        build: from keys to a query set, each key a parameter of its own; without keys
            for :meth:`all`. It is one of values, which come as the database has them, so
            numbers and texts only; or one of whole objects, for :meth:`objects`.
            Nothing else in it may vary, except with the engine's configuration.
        parameters: what ``build`` makes of a key, in all the ways that it does.
    """

    def __init__(
        self,
        build: Callable[[Sequence[Any]], QuerySet[Any, Any]],
        *parameters: Callable[[Any], int | str],
    ) -> None:
        self._build = build
        self._parameters = parameters or (int,)
        self._built = lru_cache(maxsize=32)(self._build_for)

    def rows(self, keys: Sequence[int] | Sequence[str]) -> Sequence[tuple[Any, ...]]:
        """The rows for these keys; none without keys."""
        if not keys:
            return ()
        # A power of two, so that few sizes are built; a key may be asked for twice.
        size = 1 << (len(keys) - 1).bit_length()
        sql, parameters, places = self._built(size, conf(), connection.vendor)
        filled = list(parameters)
        for place, number, parameter in places:
            filled[place] = parameter(keys[min(number, len(keys) - 1)])
        return _rows(sql, filled)

    def all(self) -> Sequence[tuple[Any, ...]]:
        """The rows of a query that has no keys."""
        sql, parameters, _ = self._built(0, conf(), connection.vendor)
        return _rows(sql, parameters)

    def objects(self, keys: Sequence[int] | Sequence[str]) -> list[Any]:
        """The objects for these keys, as Django makes them; without what they relate to."""
        rows = self.rows(keys)
        if not rows:
            return []
        shape = self._shape
        # Converters belong to a connection, and that to a thread. Not by its proxy: it is
        # asked for each column.
        compiler = shape.query.get_compiler(connection=connections[DEFAULT_DB_ALIAS])
        found = compiler.apply_converters(rows, compiler.get_converters(shape.columns))
        make, fields, places = shape.model.from_db, shape.fields, shape.places
        return [make(DEFAULT_DB_ALIAS, fields, [row[n] for n in places]) for row in found]

    @cached_property
    def _shape(self) -> Shape:
        built = self._build([-1])
        compiler = built.query.get_compiler(connection=connection)
        compiler.setup_query()
        columns = [column for column, *_ in compiler.select]
        places = compiler.klass_info["select_fields"]
        fields = [columns[n].target.attname for n in places]
        return Shape(built.query, built.model, columns, places, fields)

    def _build_for(
        self, size: int, conf: LiveConf, vendor: str
    ) -> tuple[str, Sequence[Any], Sequence[tuple[int, int, Callable[[Any], int | str]]]]:
        """The SQL, its parameters, and where among them which key stands, made in which way."""
        # No row has a negative id, so these can be told from all other parameters.
        keys = {
            parameter(-1 - number): (number, parameter)
            for number in range(size)
            for parameter in self._parameters
        }
        query = self._build([-1 - number for number in range(size)]).query
        sql, parameters = query.sql_with_params()
        places = [(n, *keys[p]) for n, p in enumerate(parameters) if p in keys]
        return sql, parameters, places


def _rows(sql: str, parameters: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return found
