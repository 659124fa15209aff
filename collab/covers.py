"""Cover images: checked, made anew, and stored under a random name.

The file a person sends is never kept: Pillow decodes it and writes a WebP of
its own, so that nothing but pixels survives.

One that came with a change that was too late is set aside for the person who sent it:
in a folder of theirs, so that nobody else can ask for it and no document has it.
"""

from __future__ import annotations

import io
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import BadImage
from .timings import COVER_BYTES, COVER_PIXELS, COVER_SIDE_PIXELS

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
NAME = re.compile(r"[0-9a-f]{32}\.webp\Z")
QUALITY = 82
#: A picture of 40 megapixels takes 120 MB while it is made anew: two at a time.
_turn = threading.BoundedSemaphore(2)
FOLDER, ASIDE = "covers", "covers-aside"
#: So many are kept aside for one person; beyond that the oldest goes.
MOST_ASIDE = 5
#: What nobody has used for this long, nobody will.
UNUSED = timedelta(days=1)


def store(upload: UploadedFile[bytes]) -> str:
    """Check and keep an uploaded picture.

    Returns:
        The stored file's name, for :func:`path_of`.

    Raises:
        BadImage: it is too large (5 MB, 40 megapixels) or no picture.
    """
    if (upload.size or 0) > COVER_BYTES:
        raise BadImage(_("The picture is larger than 5 MB. Please choose a smaller one."))
    with _turn:
        made = _made_anew(upload)
    name = f"{secrets.token_hex(16)}.webp"
    default_storage.save(path_of(name), ContentFile(made))
    return name


def _made_anew(upload: UploadedFile[bytes]) -> bytes:
    try:
        with Image.open(upload, formats=FORMATS) as picture:
            # Only the header has been read so far.
            if picture.width * picture.height > COVER_PIXELS:
                raise BadImage(_("The picture has more than 40 megapixels."))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise BadImage(_("This file is not a picture (JPEG, PNG, WebP or GIF).")) from error
    except Image.DecompressionBombError as error:
        raise BadImage(_("The picture has more than 40 megapixels.")) from error
    upright.thumbnail((COVER_SIDE_PIXELS, COVER_SIDE_PIXELS))
    made = io.BytesIO()
    upright.save(made, "WEBP", quality=QUALITY)
    return made.getvalue()


def set_aside(name: str, person_id: int) -> None:
    """Keep a stored cover that no document got for whoever sent it."""
    folder = f"{ASIDE}/{person_id}"
    _move(path_of(name), f"{folder}/{name}")
    kept = sorted(_files(folder), key=default_storage.get_modified_time)
    for path in kept[:-MOST_ASIDE]:
        default_storage.delete(path)


def take_back(name: str, person_id: int) -> bool:
    """Make a cover that was set aside for this person a stored one; returns whether
    there is one of that name."""
    path = f"{ASIDE}/{person_id}/{name}"
    if not NAME.match(name) or not default_storage.exists(path):
        return False
    _move(path, path_of(name))
    return True


def forget(person_id: int) -> None:
    """Delete what was set aside for a person."""
    for path in _files(f"{ASIDE}/{person_id}"):
        default_storage.delete(path)


def stale() -> Iterator[str]:
    """The names of stored covers that have been there for a while: if no row has named
    them by now, none will."""
    names = (path.removeprefix(f"{FOLDER}/") for path in _stale(FOLDER))
    return filter(NAME.match, names)


def remove_stale_aside() -> None:
    """Delete what was set aside and not taken back for a while."""
    with suppress(FileNotFoundError):
        for person in default_storage.listdir(ASIDE)[0]:
            for path in _stale(f"{ASIDE}/{person}"):
                default_storage.delete(path)


def _move(path: str, to: str) -> None:
    with default_storage.open(path) as stored:
        default_storage.save(to, stored)
    default_storage.delete(path)


def _files(folder: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [f"{folder}/{name}" for name in default_storage.listdir(folder)[1]]
    return []


def _stale(folder: str) -> Iterator[str]:
    for path in _files(folder):
        with suppress(FileNotFoundError):  # deleted in this moment
            if timezone.now() - default_storage.get_modified_time(path) > UNUSED:
                yield path


def is_stored(name: str) -> bool:
    """Is this the name of a cover that :func:`store` has kept?"""
    return bool(NAME.match(name)) and default_storage.exists(path_of(name))


def size_of(name: str) -> int:
    """The bytes that a cover takes; 0 for one that is not stored (here)."""
    return default_storage.size(path_of(name)) if is_stored(name) else 0


def remove(name: str) -> None:
    """Delete a stored cover, if it is there (it may lie on another machine)."""
    default_storage.delete(path_of(name))


def path_of(name: str) -> str:
    """Where a cover lies in the media storage.

    Raises:
        ValueError: the name is none that :func:`store` gives.
    """
    if not NAME.match(name):
        raise ValueError(f"{name!r} is not the name of a cover.")
    return f"{FOLDER}/{name}"
