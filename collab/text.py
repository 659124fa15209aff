"""User text: from Markdown to safe HTML, its excerpt, and how much changed.

Markdown is rendered without HTML, then passed through an explicit allow-list:
no ids, classes, styles, ``data-*`` or ``hx-*`` attributes and no forms survive,
because htmx acts on attributes wherever they come from.
"""

from __future__ import annotations

import hashlib
import html
import re
from difflib import SequenceMatcher
from itertools import pairwise
from typing import NamedTuple

import nh3
from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt

from .errors import TooLong
from .timings import TEXT_BYTES

TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "code"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
    *("em", "strong", "s", "a", "img"),
}
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
OWN_IMAGE = re.compile(r"/covers/[0-9a-f]{32}\.webp")
#: A word or what stands between two; together they are the whole text.
WORDS = re.compile(r"\w+|\s+|[^\w\s]")
#: Rendered texts are kept for this long, in seconds.
CACHE_SECONDS = 24 * 3600
#: Part of the cache key: raise it when rendering changes.
RENDERER = "3"

_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class Heading(NamedTuple):
    """An entry of a document's outline."""

    level: int
    text: str
    anchor: str


class Rendered(NamedTuple):
    """A text ready to be shown."""

    html: SafeString
    outline: list[Heading]


class Piece(NamedTuple):
    """A stretch of two compared texts: ``kind`` is "same", "ins" or "del"."""

    kind: str
    text: str


class WordCount(NamedTuple):
    """How much a save changed."""

    added: int
    removed: int


def normalise(text: str) -> str:
    """Line ends become ``\\n`` once, on entry, so no diff ever shows them; NUL
    bytes and lone surrogates, which PostgreSQL cannot store, become U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def check_size(text: str) -> str:
    """The text itself, if a document may be that long.

    Raises:
        TooLong: it may not.
    """
    size = len(text.encode())
    if size > TEXT_BYTES:
        raise TooLong(size, TEXT_BYTES)
    return text


def rendered(text: str) -> Rendered:
    """Markdown as safe HTML, from the cache if it was rendered before."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    key = f"text:{RENDERER}:{digest}"
    found: Rendered | None = cache.get(key)
    if found is None:
        found = _render(text)
        cache.set(key, found, CACHE_SECONDS)
    return found


def _render(text: str) -> Rendered:
    clean = nh3.clean(
        _markdown.render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_own_images,
        url_schemes=SCHEMES,
        link_rel="noopener nofollow ugc",
    )
    return _with_anchors(clean)


def _own_images(tag: str, attribute: str, value: str) -> str | None:
    """Only stored pictures are shown. A foreign address would tell its host who
    reads; one of our own pages would be visited in the reader's name."""
    if tag == "img" and attribute == "src" and not OWN_IMAGE.fullmatch(value):
        return None
    return value


def _with_anchors(clean: str) -> Rendered:
    """Give headings ids of our own making, so that the outline can link them."""
    outline: list[Heading] = []
    taken: set[str] = set()

    def anchor(match: re.Match[str]) -> str:
        level, inner = match.group(1), match.group(2)
        words = re.sub(r"<[^>]*>", "", inner)
        base = "s-" + (slugify(words)[:50] or "section")
        name, number = base, 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        outline.append(Heading(int(level), html.unescape(words), name))
        return f'<h{level} id="{name}">{inner}</h{level}>'

    with_ids = re.sub(r"<h([1-6])>(.*?)</h\1>", anchor, clean, flags=re.DOTALL)
    # nh3 has cleaned this, and the ids are slugs of our own.
    return Rendered(mark_safe(with_ids), outline)  # noqa: S308


def excerpt(text: str, length: int) -> str:
    """The beginning of a text as one plain line of at most ``length`` characters."""
    # A prefix is enough, and keeps this cheap for long texts.
    start = _markdown.render(text[: length * 20])
    # Marks within a paragraph ("**bread**.") leave no gap; list items and cells do.
    paragraphs = re.findall(r"<p>(.*?)</p>", start, flags=re.DOTALL)
    inline = [re.sub(r"<[^>]*>", "", paragraph) for paragraph in paragraphs]
    plain = html.unescape(" ".join(inline or [re.sub(r"<[^>]*>", " ", start)]))
    plain = " ".join(plain.split())
    return plain if len(plain) <= length else plain[: length - 1].rstrip() + "…"


def title_and_body(text: str) -> tuple[str, str]:
    """Split a Markdown file into its first heading, as plain words, and the rest.

    A heading that stands at the top moves into the title; one further down also
    stays where it is. The title is empty when there is no heading.
    """
    tokens = _markdown.parse(text)
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1" and token.map:
            plain = "".join(
                child.content for child in content.children or () if child.type != "image"
            )
            lines = text.split("\n")
            first, after = token.map
            is_at_top = not "".join(lines[:first]).strip()
            body = "\n".join(lines[after:]).lstrip("\n") if is_at_top else text
            return " ".join(plain.split()), body
    return "", text


def words_changed(before: str, after: str) -> WordCount:
    """Words added and removed between two texts.

    Lines are compared first and words only within changed blocks, which keeps
    200 KB texts cheap.
    """
    old, new = before.split("\n"), after.split("\n")
    added = removed = 0
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        a, b = " ".join(old[i1:i2]).split(), " ".join(new[j1:j2]).split()
        same = sum(block.size for block in SequenceMatcher(None, a, b).get_matching_blocks())
        added += len(b) - same
        removed += len(a) - same
    return WordCount(added, removed)


def difference(before: str, after: str) -> list[Piece]:
    """What changed between two texts, by word; lines are compared first.

    The pieces that are not "del" make up ``after``, those that are not "ins"
    make up ``before``, character for character.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces: list[Piece] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        a, b = "".join(old[i1:i2]), "".join(new[j1:j2])
        pieces += [Piece("same", a)] if kind == "equal" else _by_word(a, b)
    return pieces


def _by_word(before: str, after: str) -> list[Piece]:
    old, new = WORDS.findall(before), WORDS.findall(after)
    pieces: list[Piece] = []
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new).get_opcodes():
        a, b = "".join(old[i1:i2]), "".join(new[j1:j2])
        if kind == "equal":
            pieces.append(Piece("same", a))
            continue
        pieces += [Piece(tag, text) for tag, text in (("del", a), ("ins", b)) if text]
    return pieces
