"""Files that are not what they say they are: refused, or nothing of them is left but
what one sees. The product takes no other files: pictures come in through the forms of a
document, Markdown and backups only through the commands of who has the machine.
"""

from __future__ import annotations

import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from django import forms as django_forms
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, PngImagePlugin

from collab import covers, forms
from collab.errors import BadImage
from collab.models import Document, Person
from collab.operations import sharing

pytestmark = pytest.mark.django_db

SCRIPT = b"<script>alert(document.domain)</script>"
MARKUP = b"<!doctype html><html><body>" + SCRIPT
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
PDF = b"%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n%%EOF"


def picture(kind: str, size: tuple[int, int] = (24, 16), **options: object) -> bytes:
    """An honest one, in two colours, so that it is seen whether it has come."""
    made, image = BytesIO(), Image.new("RGB", size, "#e33")
    image.paste("#33e", (0, 0, size[0] // 2, size[1]))
    image.save(made, kind, **options)
    return made.getvalue()


def archive() -> bytes:
    """With a path that leads out of it."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.writestr("../../page.html", MARKUP)
    return made.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """One of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_a_long_text() -> bytes:
    """A PNG of a few kilobytes whose comment has 20 MB."""
    whole = picture("PNG")
    text = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(20_000_000)))
    return whole[:33] + text + whole[33:]  # behind the signature and IHDR


def with_texts() -> bytes:
    """A PNG whose comments are scripts, one of them compressed."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", SCRIPT.decode())
    texts.add_text("Title", SCRIPT.decode(), zip=True)
    texts.add_itxt("XML:com.adobe.xmp", SCRIPT.decode())
    return picture("PNG", pnginfo=texts)


def with_exif(kind: str) -> bytes:
    """A picture whose description, maker, comment and profile are scripts."""
    exif = Image.Exif()
    for tag in (0x010E, 0x010F, 0x9C9C, 0x9286):  # ImageDescription, Make, XPComment, UserComment
        exif[tag] = SCRIPT.decode()
    return picture(kind, exif=exif, icc_profile=SCRIPT, comment=SCRIPT, xmp=SCRIPT)


def after_its_magic(kind: str) -> bytes:
    """A picture that is a script as well: its comment begins where the first line ends."""
    if kind == "GIF":  # "GIF89a/*" ... "*/=1;alert(1)"
        whole = bytearray(picture("GIF"))
        whole[6:8] = b"/*"  # a width of 10,799 pixels, which the frame does not fill
        return bytes(whole) + b"*/=1;" + SCRIPT
    whole = bytearray(picture("JPEG"))
    comment = b"\xff\xfe" + struct.pack(">H", len(MARKUP) + 2) + MARKUP
    return bytes(whole[:2] + comment + whole[2:])


def frames(kind: str, count: int) -> bytes:
    """An animation of many small frames."""
    made = BytesIO()
    first, *rest = [Image.new("RGB", (4, 4), (n % 256, n // 256, 9)) for n in range(count)]
    first.save(made, kind, save_all=True, append_images=rest, lossless=True)
    return made.getvalue()


#: By name: a file that is no picture, whatever it is called.
NO_PICTURES: dict[str, Callable[[], bytes]] = {
    "cover.png.svg": lambda: SVG,
    "svg.png": lambda: SVG,
    "svg-after-a-space.png": lambda: b" \n" + SVG,
    "page.jpg": lambda: MARKUP,
    "page.gif": lambda: b"GIF87" + MARKUP,
    "paper.webp": lambda: PDF,
    "archive.png": archive,
    "script.gif": lambda: b"GIF89a=1;alert(1)//",
    "magic.png": lambda: b"\x89PNG\r\n\x1a\n" + SCRIPT,
    "magic.jpg": lambda: b"\xff\xd8\xff\xe0" + SCRIPT,
    "magic.webp": lambda: b"RIFF\x40\x00\x00\x00WEBPVP8 " + SCRIPT.ljust(52),
    "bitmap.png": lambda: picture("BMP"),
    "postscript.jpg": lambda: picture("EPS"),
    "tiff.png": lambda: picture("TIFF"),
    "icon.gif": lambda: picture("ICO"),
    "text-bomb.png": with_a_long_text,
    "empty-chunks.png": lambda: b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"") + chunk(b"IEND", b""),
}
#: By name: a picture that is something else, too.
TWO_THINGS: dict[str, Callable[[], bytes]] = {
    "png-and-zip.png": lambda: picture("PNG") + archive(),
    "png-and-page.html": lambda: picture("PNG") + MARKUP,
    "png-with-texts.png": with_texts,
    "gif-and-script.js": lambda: picture("GIF") + SCRIPT,
    "gif-with-comment.gif": lambda: picture("GIF", comment=SCRIPT),
    "gif-that-is-a-script.js": lambda: after_its_magic("GIF"),
    "jpeg-that-is-a-page.html": lambda: after_its_magic("JPEG"),
    "jpeg-with-exif.jpg": lambda: with_exif("JPEG"),
    "jpeg-and-pdf.pdf": lambda: picture("JPEG") + PDF,
    "webp-with-exif.webp": lambda: with_exif("WEBP"),
    "webp-and-svg.svg": lambda: picture("WEBP") + SVG,
}
#: What must not be left of any of them.
TRACES = (b"script", b"alert", b"<!doctype", b"PK\x03\x04", b"%PDF", b"<svg", b"Exif", b"EXIF")


def send(client: Client, name: str, content: bytes, kind: str = "image/png") -> int:
    """A new document with a cover; gives the answer's status."""
    upload = SimpleUploadedFile(name, content, kind)
    form = {"title": "T", "text": "kept words", "cover": upload}
    return client.post("/documents/new/", form).status_code


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_refused(as_leela: Client, name: str) -> None:
    """Whatever it is called, and whatever it says it is."""
    for kind in ("image/png", "text/html", "image/svg+xml"):
        assert send(as_leela, name, NO_PICTURES[name](), kind) == 422
    assert not Document.objects.exists()
    assert not list((Path(settings.MEDIA_ROOT) / "covers").glob("*"))


@pytest.mark.parametrize("name", TWO_THINGS)
def test_of_a_picture_that_is_something_else_only_the_picture_is_left(
    as_leela: Client, stranger: Client, leela: Person, name: str
) -> None:
    """To members and behind a link: our type, no guessing of another, and no byte of
    what was hidden, before, in or behind it."""
    content = TWO_THINGS[name]()
    assert any(trace in content for trace in TRACES), "the file is an attack"
    assert send(as_leela, name, content, "text/html") == 302
    document = Document.objects.get()
    link = sharing.make_link(document.pk, leela.pk, 7)
    for client, place in (
        (as_leela, f"/covers/{document.cover}"),
        (stranger, f"/shared/{link}/cover.webp"),
    ):
        response = client.get(place)
        served = b"".join(response)
        assert response["Content-Type"] == "image/webp"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert Image.open(BytesIO(served)).format == "WEBP"
        assert [trace for trace in TRACES if trace in served] == []
        assert name.encode() not in served


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "JPEG"])
def test_pixels_are_counted_before_they_are_unpacked(
    as_leela: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A small file that says it is large is never decoded."""
    large = {
        "PNG": lambda: _png_that_says(50_000, 50_000),
        "GIF": lambda: b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + picture("GIF")[10:],
        "WEBP": lambda: _webp_that_says(16_383, 16_383),
        "JPEG": lambda: _jpeg_that_says(65_000, 65_000),
    }[kind]()
    assert len(large) < 10_000
    decoded: list[object] = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded.append)
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", decoded.append)
    assert send(as_leela, "small.png", large) == 422
    assert decoded == []


def _png_that_says(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _jpeg_that_says(width: int, height: int) -> bytes:
    whole = bytearray(picture("JPEG"))
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def _webp_that_says(width: int, height: int) -> bytes:
    whole = bytearray(picture("WEBP"))
    at = whole.index(b"\x9d\x01\x2a") + 3
    whole[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(whole)


def test_two_pictures_are_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes a hundred megabytes meanwhile."""
    inside, may_go = threading.Semaphore(0), threading.Event()

    def made(upload: object) -> bytes:
        inside.release()
        assert may_go.wait(10)
        return b"picture"

    monkeypatch.setattr(covers, "_made_anew", made)
    with ThreadPoolExecutor(4) as people:
        names = people.map(covers.store, [SimpleUploadedFile("x", b"x") for _ in range(4)])
        assert inside.acquire(timeout=10)
        assert inside.acquire(timeout=10)
        assert not inside.acquire(timeout=0.1)
        may_go.set()
        assert len(set(names)) == 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_many_frames_the_first_is_taken(as_leela: Client, kind: str) -> None:
    """A cover does not move."""
    content = frames(kind, 2_000)
    assert Image.open(BytesIO(content)).n_frames == 2_000  # type: ignore[attr-defined]
    assert send(as_leela, "film.gif", content) == 302
    response = as_leela.get(f"/covers/{Document.objects.get().cover}")
    served = Image.open(BytesIO(b"".join(response)))
    assert getattr(served, "n_frames", 1) == 1


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "JPEG"])
def test_a_file_that_ends_early_is_refused_or_a_picture(kind: str) -> None:
    """Wherever it ends; nothing but :class:`BadImage` is raised, and nothing half is kept."""
    whole = picture(kind)
    refused = 0
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        try:
            name = covers.store(SimpleUploadedFile("cut", whole[:end]))
        except BadImage:
            refused += 1
        else:
            with Image.open(Path(settings.MEDIA_ROOT) / covers.path_of(name)) as kept:
                assert (kept.format, kept.size) == ("WEBP", (24, 16))
    assert refused > 10


def test_nothing_else_takes_a_file() -> None:
    """A form with another field for files, an archive for instance, has its attacks here."""
    found = {
        name
        for form in vars(forms).values()
        if isinstance(form, type) and issubclass(form, django_forms.BaseForm)
        for name, field in getattr(form, "base_fields", {}).items()
        if isinstance(field, django_forms.FileField)
    }
    assert found == {"cover"}
