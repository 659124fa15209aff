"""Cover images: checked, made anew, and stored under a random name.

The file a person sends is never kept: Pillow decodes it and writes a WebP of
its own, so that nothing but pixels survives.
"""

from __future__ import annotations

import io
import re
import secrets

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import BadImage
from .timings import COVER_BYTES, COVER_PIXELS, COVER_SIDE_PIXELS

FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
NAME = re.compile(r"[0-9a-f]{32}\.webp\Z")
QUALITY = 82


def store(upload: UploadedFile[bytes]) -> str:
    """Check and keep an uploaded picture.

    Returns:
        The stored file's name, for :func:`path_of`.

    Raises:
        BadImage: it is too large (5 MB, 40 megapixels) or no picture.
    """
    if (upload.size or 0) > COVER_BYTES:
        raise BadImage(_("The picture is larger than 5 MB. Please choose a smaller one."))
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
    name = f"{secrets.token_hex(16)}.webp"
    default_storage.save(path_of(name), ContentFile(made.getvalue()))
    return name


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
    return f"covers/{name}"
