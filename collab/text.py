"""User text: from Markdown to safe HTML, and its excerpt.

Markdown is rendered without HTML, then passed through an explicit allow-list:
no ids, classes, styles, ``data-*`` or ``hx-*`` attributes and no forms survive,
because htmx acts on attributes wherever they come from.

What a few characters of Markdown can grow to has a limit: a row of a table is filled
up with empty cells, and a link that is defined once can be meant thousands of times. A
text beyond it is shown as it was written, and so is one that takes too long.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple
from zlib import crc32

import nh3
from django.core.cache import cache
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from .elsewhere import TooSlow, within
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
#: Rendered texts are kept for this long, in seconds.
CACHE_SECONDS = 24 * 3600
#: Part of the cache key: raise it when rendering changes.
RENDERER = "5"

#: A text is shown in some so many blocks at most: each costs 50 bytes by itself, and the
#: comparison with the next version its time. (100 KB of prose have 1,300.)
BLOCKS = 2_000
#: So many headings can be linked, and are in the outline.
HEADINGS = 1_000
#: So many seconds of a processor a text may take (200 KB of ordinary Markdown: 0.4).
RENDER_SECONDS = 5.0
#: What a text may grow to: so much for a start, and for each of its characters. An
#: honest one needs at most three tokens for a character ("|" is an empty cell), and
#: twelve characters of an address ("%F0%9F%9A%80" for a rocket).
TOKENS, TOKENS_EACH = 10_000, 4
ADDRESSES, ADDRESSES_EACH = 100_000, 12


class TooMuch(Exception):
    """A text of which Markdown would make far more than it is."""


class Counted(StateBlock):
    """Blocks that are being made of a text, and no more of them than it may have."""

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        if len(self.tokens) > TOKENS + TOKENS_EACH * len(self.src):
            raise TooMuch
        return super().push(ttype, tag, nesting)


def _block(state: StateCore) -> None:
    counted = Counted(state.src, state.md, state.env, state.tokens)
    state.md.block.tokenize(counted, counted.line, counted.lineMax)


_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_markdown.core.ruler.at("block", _block)


class Heading(NamedTuple):
    """An entry of a document's outline."""

    level: int
    text: str
    anchor: str


class Block(NamedTuple):
    """A paragraph, heading, list ... of a rendered text.

    ``key`` is made of what the block says, so a block that stays the same keeps
    it wherever it moves, and no two blocks of a text have the same.
    """

    key: str
    html: SafeString


class Rendered(NamedTuple):
    """A text ready to be shown."""

    blocks: list[Block]
    outline: list[Heading]
    #: It stands there as it was written, because showing it otherwise is too much.
    is_plain: bool = False

    @property
    def html(self) -> SafeString:
        """The blocks as one."""
        return mark_safe("".join(block.html for block in self.blocks))  # noqa: S308  # all clean


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


def rendered(text: str, *, is_passing: bool = False) -> Rendered:
    """Markdown as safe HTML, from the cache if it was rendered before; the text itself
    if it grows too much, or takes too long.

    Args:
        is_passing: the text is a draft, soon another one: do not keep it.
    """
    if is_passing:
        return _render_or_show(text)
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    key = f"text:{RENDERER}:{digest}"
    found: Rendered | None = cache.get(key)
    if found is None:
        found = _render_or_show(text)
        cache.set(key, found, CACHE_SECONDS)
    return found


def _render_or_show(text: str) -> Rendered:
    try:
        return _render(text)
    except (TooMuch, TooSlow):
        shown = mark_safe(f"<pre>{html.escape(text)}</pre>")  # noqa: S308  # nothing else is in it
        return Rendered([Block("plain", shown)], [], is_plain=True)


@within(RENDER_SECONDS)
def _render(text: str) -> Rendered:
    return _with_anchors(_cleaner.clean(html) for html in _blocks(text))


def _blocks(text: str) -> Iterator[str]:
    """The HTML of each block at the top of a Markdown text, not yet safe.

    Raises:
        TooMuch: it is more than the text may grow to.
    """
    env: dict[str, object] = {}
    block: list[Token] = []
    room = ADDRESSES + ADDRESSES_EACH * len(text)
    for token in _markdown.parse(text, env):
        room -= sum(len(str(value)) for one in token.children or () for value in one.attrs.values())
        if room < 0:
            raise TooMuch
        block.append(token)
        if token.level == 0 and token.nesting <= 0:
            yield _markdown.renderer.render(block, _markdown.options, env)
            block = []


def without_images(clean: str) -> SafeString:
    """Rendered text without its pictures, for where they could not be loaded."""
    anchors = {f"h{level}": {"id"} for level in range(1, 7)}
    left = nh3.clean(
        clean,
        tags=TAGS - {"img"},
        attributes={**ATTRIBUTES, **anchors},
        url_schemes=SCHEMES,
        link_rel="noopener nofollow ugc",
    )
    return mark_safe(left)  # noqa: S308  (nh3 has cleaned it)


def _own_images(tag: str, attribute: str, value: str) -> str | None:
    """Only stored pictures are shown. A foreign address would tell its host who
    reads; one of our own pages would be visited in the reader's name."""
    if tag == "img" and attribute == "src" and not OWN_IMAGE.fullmatch(value):
        return None
    return value


#: Each block by itself: what one leaves open cannot reach into the next.
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    attribute_filter=_own_images,
    url_schemes=SCHEMES,
    link_rel="noopener nofollow ugc",
)


def _with_anchors(clean: Iterable[str]) -> Rendered:
    """Give headings ids of our own making, so that the outline can link them."""
    outline: list[Heading] = []
    taken: set[str] = set()
    numbers: Counter[str] = Counter()

    def anchor(match: re.Match[str]) -> str:
        level, inner = match.group(1), match.group(2)
        if len(outline) == HEADINGS:
            return match.group()
        words = re.sub(r"<[^>]*>", "", inner)
        base = "s-" + (slugify(words)[:50] or "section")
        name = ""
        while not name or name in taken:
            numbers[base] += 1
            name = base if numbers[base] == 1 else f"{base}-{numbers[base]}"
        taken.add(name)
        outline.append(Heading(int(level), html.unescape(words), name))
        return f'<h{level} id="{name}">{inner}</h{level}>'

    blocks: list[Block] = []
    times: Counter[str] = Counter()
    heading = re.compile(r"<h([1-6])>(.*?)</h\1>", flags=re.DOTALL)
    for with_ids in _joined([heading.sub(anchor, block) for block in clean]):
        key = hashlib.blake2b(with_ids.encode(), digest_size=6).hexdigest()
        times[key] += 1
        # nh3 has cleaned this, and the ids are slugs of our own.
        blocks.append(Block(f"{key}_{times[key]}", mark_safe(with_ids)))  # noqa: S308
    return Rendered(blocks, outline)


def _joined(blocks: Sequence[str]) -> Iterator[str]:
    """Join neighbours where there are very many. Where one ends is told by what the
    blocks say, as far as possible, so that what is inserted moves no end further down."""
    size = 1
    if len(blocks) > BLOCKS:
        while len(blocks) * 2 > size * BLOCKS:
            size *= 2
    group: list[str] = []
    for block in blocks:
        group.append(block)
        is_end = crc32(block.encode()) % size == 0
        if len(group) >= size * 2 or (is_end and len(group) >= size / 2):
            yield "".join(group)
            group = []
    if group:
        yield "".join(group)


def excerpt(text: str, length: int) -> str:
    """The beginning of a text as one plain line of at most ``length`` characters."""
    # A prefix is enough, and keeps this cheap for long texts.
    beginning = text[: length * 20]
    try:
        start = "".join(_blocks(beginning))
    except TooMuch:
        start = html.escape(beginning)
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
    try:
        tokens = _markdown.parse(text)
    except TooMuch:
        return "", text
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
