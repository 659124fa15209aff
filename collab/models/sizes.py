"""How many bytes something takes, as a column that the database computes.

What a person's work takes is the sum of these over an index, so it needs no counter
that every way to delete something would have to know of.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Func, IntegerField


class Bytes(Func):
    """The size of a text, in bytes of UTF-8, or of a binary value."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "LENGTH(CAST(%(expressions)s AS BLOB))"
        return self.as_sql(compiler, connection, template=template, **context)


def size_of(expression: Any) -> models.GeneratedField:
    """A column that always holds the bytes that another has."""
    return models.GeneratedField(
        expression=expression, output_field=models.IntegerField(), db_persist=True, editable=False
    )
