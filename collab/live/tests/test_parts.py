"""Parts: the steps from one rendering to the next."""

from __future__ import annotations

import pytest
from channels.testing import WebsocketCommunicator
from django.template import engines
from django.test import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from collab.live.parts import Part, kept, outline_of, steps, wrapped
from collab.live.testing import PARTIAL, LivePage

REGION = "text-7"


def shown(*runs: dict[str, str], shell: str = "") -> str:
    """A rendering with these runs of parts, in an article each."""
    articles = [
        "<article>" + "".join(wrapped(name, f"<p>{text}</p>") for name, text in run.items())
        for run in runs
    ]
    return "</article>".join([*articles, shell])


def taken(before: str, after: str) -> str | None:
    """The steps from one rendering to another."""
    old, new = outline_of(before), outline_of(after)
    assert old
    assert new
    return steps(REGION, old, new, after)


def page_with(html: str) -> LivePage:
    page = LivePage("/", AsyncClient(), WebsocketCommunicator(None, "/"))
    page.regions[REGION] = html
    return page


def applied(before: str, fragment: str) -> str:
    """The page after htmx has swapped the fragment."""
    page = page_with(before)
    page.apply(fragment)
    return page.regions[REGION]


def targets(fragment: str) -> list[tuple[str, str]]:
    return [(part.split("'")[1], swap) for _, part, swap, _ in PARTIAL.findall(fragment)]


RUN = st.dictionaries(
    st.text("abcdef012_", min_size=1, max_size=2), st.sampled_from("xyz"), min_size=1, max_size=8
)


@given(RUN, RUN)
def test_the_steps_lead_from_any_rendering_to_any_other(
    old: dict[str, str], new: dict[str, str]
) -> None:
    """Whatever is added, taken away, changed or moved; and every target of the
    steps is a part of the page as it was."""
    before, after = shown(old), shown(new)
    fragment = taken(before, after)
    assert fragment is not None
    assert applied(before, fragment) == after
    assert {name for name, _ in targets(fragment)} <= set(old)


@given(st.lists(RUN, min_size=2, max_size=2), st.lists(RUN, min_size=2, max_size=2))
def test_parts_never_leave_their_run(old: list[dict[str, str]], new: list[dict[str, str]]) -> None:
    """Two lists of parts in two places of a region are brought up to date each."""
    one, two = ({f"{n}{name}": t for name, t in run.items()} for n, run in enumerate(old))
    three, four = ({f"{n}{name}": t for name, t in run.items()} for n, run in enumerate(new))
    before, after = shown(one, two), shown(three, four)
    fragment = taken(before, after)
    assert fragment is not None
    assert applied(before, fragment) == after


def test_a_change_is_morphed_and_the_rest_is_not_touched() -> None:
    """One part that changed costs one swap of that part, under its old name."""
    before = shown({"a": "1", "b": "2", "c": "3"})
    fragment = taken(before, shown({"a": "1", "b2": "two", "c": "3"}))
    assert fragment is not None
    assert targets(fragment) == [("b", "outerMorph")]
    assert "3" not in fragment


def test_what_does_not_change_costs_nothing() -> None:
    """From a rendering to itself there are no steps."""
    assert taken(shown({"a": "1"}), shown({"a": "1"})) == ""


def test_what_moves_costs_itself_and_not_what_it_passes() -> None:
    """Of ten parts the last comes first: it is put there, and taken away where it was."""
    old = {f"p{number}": "x" for number in range(10)}
    fragment = taken(shown(old), shown({"p9": "x", **old}))
    assert fragment is not None
    assert sorted(targets(fragment)) == [("p0", "beforebegin"), ("p9", "delete")]


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_as_many_parts_as_possible_stay(order: list[int], gone: set[int]) -> None:
    """In one order on both sides; no other choice of the same parts is longer."""
    old = [Part(str(number), b"") for number in range(12)]
    new = [old[number] for number in order if number not in gone]
    pairs = kept(old, new)
    assert all(old[here] == new[there] for here, there in pairs)
    assert pairs == sorted(pairs)
    assert [there for _, there in pairs] == sorted({there for _, there in pairs})
    lengths: list[int] = []
    for place, part in enumerate(new):
        before = [lengths[p] for p in range(place) if int(new[p].name) < int(part.name)]
        lengths.append(1 + max(before, default=0))
    assert len(pairs) == max(lengths, default=0)


def test_a_hundred_thousand_parts_of_which_every_second_changes_take_no_time() -> None:
    """(A quadratic way would take minutes, in a thread that all pages wait for.)"""
    old = [Part(f"p{number}", b"") for number in range(100_000)]
    new = [part if number % 2 else Part(f"q{number}", b"") for number, part in enumerate(old)]
    assert kept(old, new) == [(number, number) for number in range(1, 100_000, 2)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (shown({"a": "1"}), shown({"a": "1"}, shell="more")),
        (shown({"a": "1"}), shown({"a": "1"}, {"b": "2"})),
        (shown({"a": "1"}) + "<p>", "<p>" + shown({"a": "1"})),
    ],
)
def test_a_change_around_the_parts_needs_the_whole(before: str, after: str) -> None:
    """What stands outside of parts can only be sent with all."""
    assert taken(before, after) is None


@pytest.mark.parametrize("html", ["<p>none</p>", wrapped("a", "1") + wrapped("a", "2")])
def test_no_parts_or_two_of_a_name_have_no_outline(html: str) -> None:
    """Then the region is sent as a whole, as any other."""
    assert outline_of(html) is None


def test_the_tag_marks_a_part_and_escapes_what_is_in_it() -> None:
    """``{% part %}`` wraps what its block renders, escaped like anything else."""
    template = engines["django"].from_string("{% load live %}{% part 7 %}{{ x }}{% endpart %}")
    assert template.render({"x": "<b>"}) == '<live-part name="7">&lt;b&gt;</live-part>'


@pytest.mark.parametrize("name", ["", "a'b", "ü", "a-b", "x" * 65])
def test_a_name_that_could_break_out_is_refused(name: str) -> None:
    """Names stand in selectors and attributes."""
    with pytest.raises(ValueError, match="cannot be named"):
        wrapped(name, "")
