"""User text: safe, and plain when it must be."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from collab.text import (
    BLOCKS,
    HEADINGS,
    TAGS,
    excerpt,
    normalise,
    rendered,
    title_and_body,
)
from collab.timings import TEXT_BYTES


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        '<div hx-get="/x" hx-trigger="load">x</div>',
        '<div data-hx-post="/x">x</div>',
        "<hx-partial hx-target='body'>x</hx-partial>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,hi)",
        "![x](https://evil.example/pixel.png)",
        "![x](//evil.example/pixel.png)",
        "![x](/documents/7/edit/)",
        "![x](/covers/../logout/)",
        "<style>*{display:none}</style>",
        '<p style="color:red" class="toast" id="toasts">x</p>',
        "<form action=/logout/><button>x</button></form>",
        "<svg onload=alert(1)>",
        '[x](https://example.com "onmouseover=alert(1)")',
    ],
)
def test_nothing_active_survives(text: str) -> None:
    """No element, attribute or address that could act or phone home."""
    for tag, attributes in elements(str(rendered(text).html)):
        assert tag in TAGS
        for name, value in attributes:
            assert name in {"href", "title", "src", "alt", "start", "rel"}
            if name == "href":
                assert value.startswith(("https:", "http:", "mailto:", "/", "#"))
            if name == "src":
                assert re.fullmatch(r"/covers/[0-9a-f]{32}\.webp", value)


def elements(html: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every element of some HTML with its attributes, as a browser sees them."""
    found: list[tuple[str, list[tuple[str, str]]]] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, [(name, value or "") for name, value in attrs]))

    Collector().feed(html)
    return found


def test_ordinary_markdown_is_rendered() -> None:
    """Headings, lists, tables, code, links."""
    html = str(rendered("# A\n\n* b\n\n|x|y|\n|-|-|\n|1|2|\n\n`c` [d](https://e.example)").html)
    for good in (
        "<h1 id=",
        "<li>b</li>",
        "<td>1</td>",
        "<code>c</code>",
        'rel="noopener nofollow ugc"',
    ):
        assert good in html


def test_headings_make_an_outline_with_unique_anchors() -> None:
    """Equal headings get different anchors; markup in them is left out."""
    outline = rendered("## One\n\n## One\n\n### *Two* & more").outline
    assert [(h.level, h.text) for h in outline] == [(2, "One"), (2, "One"), (3, "Two & more")]
    assert len({h.anchor for h in outline}) == 3


def test_a_heading_that_is_named_like_another_with_a_number_gets_the_next() -> None:
    """Whatever the order."""
    outline = rendered("# A 2\n\n# A\n\n# A\n\n# A").outline
    assert [heading.anchor for heading in outline] == ["s-a-2", "s-a", "s-a-3", "s-a-4"]


@pytest.mark.parametrize(
    ("part", "most"),
    [("a\n\n", 4), ("#\n", 6), ("-\n+\n", 13), ("---\n", 4), ("\n> a\n", 8), ("&", 6)],
)
def test_the_longest_text_is_shown_in_so_many_blocks(part: str, most: int) -> None:
    """However many paragraphs, rules, headings or lists it has; and it does not grow
    without bounds. (A quadratic way would take minutes.)"""
    text = (part * TEXT_BYTES)[:TEXT_BYTES]
    shown = rendered(text, is_passing=True)
    assert 0 < len(shown.blocks) <= BLOCKS + 1
    assert len({block.key for block in shown.blocks}) == len(shown.blocks)
    assert len(shown.html) < most * TEXT_BYTES
    assert len(shown.outline) <= HEADINGS


@pytest.mark.parametrize("definition", ["/{}", '/x "{}"'])
def test_a_reference_that_is_used_again_and_again_does_not_multiply(definition: str) -> None:
    """Three characters could stand for 100 KB, thirty thousand times."""
    target = definition.format("x" * 5_000)
    html = rendered(f"{'[a]' * 1_500}\n\n[a]: {target}\n").html
    assert len(html) < 300_000
    assert html.count("xxxx") > 1_000, "the first ones are links"


@pytest.mark.parametrize("where", [0, 2_500, 4_999])
def test_joined_blocks_stay_what_they_are_around_a_change(where: int) -> None:
    """So that one word of a text of very many paragraphs is one part of it."""
    paragraphs = [f"Paragraph {number}" for number in range(5_000)]
    before = {block.key for block in rendered("\n\n".join(paragraphs)).blocks}
    paragraphs.insert(where, "Something new")
    after = {block.key for block in rendered("\n\n".join(paragraphs)).blocks}
    assert len(before) > 400
    assert len(after - before) <= 5


def test_line_ends_are_normalised_once() -> None:
    """So that a save from another system is no change; unstorable characters go."""
    assert normalise("a\r\nb\rc\n") == "a\nb\nc\n"
    assert normalise("a\x00b\ud800c").encode()


def test_an_excerpt_is_one_plain_line() -> None:
    """Without headings, marks or entities, and cut with an ellipsis."""
    assert excerpt("# T\n\nSome *fine* `text` & more.\n\nNext.", 100) == (
        "Some fine text & more. Next."
    )
    assert len(excerpt("word " * 100, 50)) <= 50


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("# T\n\nBody", "T", "Body"),
        ("\n# T #\nBody", "T", "Body"),
        ("No heading", "", "No heading"),
        ("# *Fine* `code` & [a link](/x)\n\nBody", "Fine code & a link", "Body"),
        ("```\n# a comment\n```\n", "", "```\n# a comment\n```\n"),
        ("Intro\n\n# T\n\nBody", "T", "Intro\n\n# T\n\nBody"),
    ],
)
def test_the_title_of_a_file_is_its_first_heading(text: str, title: str, body: str) -> None:
    """A heading at the top moves into the title; one further down stays."""
    assert title_and_body(text) == (title, body)
