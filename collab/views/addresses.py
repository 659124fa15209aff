"""Addresses that carry what their page holds."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode


def to_editor(pk: int, fence: int) -> HttpResponse:
    """To the editor, under the fence that it has."""
    return redirect(f"{reverse('edit', args=[pk])}?{urlencode({'pen': fence})}")


def to_rename(pk: int, *, fence: int | None = None, pen: int | None = None) -> HttpResponse:
    """To the page of title and cover, under the fence that it has; perhaps on the way
    from the editor, whose pen it holds meanwhile."""
    held = {"heading": fence, "pen": pen}
    query = urlencode({name: number for name, number in held.items() if number})
    return redirect(f"{reverse('rename', args=[pk])}" + (f"?{query}" if query else ""))
