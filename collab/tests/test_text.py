"""User text: safe, and plain when it must be."""

from __future__ import annotations

import html as markup
import re
from html.parser import HTMLParser
from unittest.mock import patch

import pytest
from markdown_it.token import Token

from collab import text as module
from collab.elsewhere import TooSlow
from collab.text import (
    ADDRESSES,
    BLOCKS,
    HEADINGS,
    TAGS,
    TOKENS,
    TOKENS_EACH,
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


def table(columns: int, rows: int) -> str:
    """One whose rows have a single cell."""
    return f"{'|a' * columns}|\n{'|-' * columns}|\n{'a' + chr(10)}" + "a\n" * (rows - 1)


#: By name: texts that grow far beyond themselves.
GROWING = {
    "a wide table": table(200, 400),
    "many tables": (table(60, 60) + "\n") * 60,
    "a table in a quote": "> " + table(200, 400).replace("\n", "\n> "),
    "a link that is meant often": f"[a]: /{'x' * 5_000}\n\n" + "[a]" * 1_500,
    "a picture that is meant often": f"[a]: /{'x' * 5_000}\n\n" + "![a]" * 1_500,
    "a title that is meant often": f"[a]: / '{'x' * 5_000}'\n\n" + "[a] [a]\n\n" * 700,
}
#: And such that take much work for what they are.
ODD = {
    "quotes": ">" * 10_000,
    "quotes that go on": ">" * 50 + "a\n" * 2_000,
    "lists in lists": "\n".join(" " * (2 * depth) + "- a" for depth in range(100)),
    "lists in a line": "- " * 5_000,
    "stars": "**a *b " * 1_400,
    "strong in strong": "**a " * 1_200 + "b** " * 1_200,
    "brackets": "[" * 5_000 + "]" * 5_000,
    "pictures in pictures": "![" * 2_000 + "](b)" * 2_000,
    "definitions": "".join(f"[{number}]: /x\n" for number in range(800)),
    "an open definition": '[a]: u "' + "t\n" * 5_000,
    "backticks": " ".join("`" * length for length in range(140)),
    "headings": "# a\n" * 2_500,
    "empty headings": "#\n" * 5_000,
    "lines": "a\n===\n" * 1_600,
    "signs": "&<" * 5_000,
    "rockets": "[a](/" + "\U0001f680" * 1_000 + ")",
    "empty cells": table(3, 2) + "||||\n" * 2_000,
}


@pytest.mark.parametrize("name", [*GROWING, *ODD])
def test_no_text_grows_far_beyond_itself(name: str) -> None:
    """Neither what is made of it on the way nor what is sent in the end."""
    text = {**GROWING, **ODD}[name]
    made: list[str] = []

    class Written(Token):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            made.append(self.type)

    with patch("markdown_it.rules_block.state_block.Token", Written):
        shown = rendered(text)
    assert len(made) <= TOKENS + TOKENS_EACH * len(text) + 1
    assert len(shown.html) <= ADDRESSES + 20 * len(text)
    assert shown.is_plain is (name in GROWING)
    assert len(excerpt(text, 160)) <= 160
    assert title_and_body(text)


@pytest.mark.parametrize("name", GROWING)
def test_a_text_that_would_grow_stands_as_it_was_written(name: str) -> None:
    """Nothing of it is lost, and nothing of it is markup."""
    text = f"<b>&\n\n{GROWING[name]}"
    shown = rendered(text)
    assert [tag for tag, _ in elements(shown.html)] == ["pre"]
    assert markup.unescape(re.sub(r"<[^>]*>", "", shown.html)) == text
    assert shown.outline == []


def test_a_text_that_takes_too_long_stands_as_it_was_written() -> None:
    """And is not tried again: that is kept like any rendering."""
    with patch.object(module, "_render", side_effect=TooSlow) as tried:
        assert rendered("*a*").html == "<pre>*a*</pre>"
        assert rendered("*a*").is_plain
    assert tried.call_count == 1


def test_equal_headings_are_counted_and_not_looked_for() -> None:
    """Each asks once or twice whether its name is taken; one that has such a name by
    itself is passed over."""
    text = "# a-3\n\n" + "# a\n\n" * (HEADINGS - 1)
    anchors = [heading.anchor for heading in rendered(text).outline]
    assert anchors[:4] == ["s-a-3", "s-a", "s-a-2", "s-a-4"]
    assert len(set(anchors)) == HEADINGS
    asked = 0

    class Asked(set[str]):
        def __contains__(self, name: object) -> bool:
            nonlocal asked
            asked += 1
            return super().__contains__(name)

    with patch.object(module, "set", Asked, create=True):
        rendered(text, is_passing=True)
    assert asked <= 2 * HEADINGS + 1
