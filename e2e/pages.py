"""Every page there is, for what must hold on each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from playwright.sync_api import expect

from e2e.people import Person

Written = Callable[..., int]
#: A text that uses all that Markdown has here, with lines that do not wrap.
RICH = """An opening paragraph with a [link](https://example.org) and `code`.

## A second-level heading

1. one
2. two with **bold** and *emphasis*

> A quotation.

| Name | Longest-compound-word-of-the-table | Number |
|---|---|---|
| Leela | captain-of-the-delivery-spaceship | 1 |

```
a_line_of_code_that_is_much_wider_than_a_telephone_and_must_scroll_in_its_own_box()
```

### A third-level heading

Averyveryverylongwordwithoutanyplacetobreakitintolineswhichpeopledosometimespaste.
"""


def public_paths() -> list[str]:
    """Pages for those who are not signed in."""
    return ["/login/", "/password/reset/", "/password/reset/sent/", "/password/reset/x/y-z/"]


def administrator_paths() -> list[str]:
    """Pages for those who look after the workspace."""
    return ["/people/", "/status/"]


def paths(document: int) -> list[str]:
    """Pages for those who are."""
    return [
        "/",
        "/?q=nothing-has-this-word",
        "/?show=mine",
        "/?show=templates",
        "/active/",
        "/trash/",
        "/documents/new/",
        f"/documents/{document}/",
        f"/documents/{document}/watch/",
        f"/documents/{document}/history/",
        f"/documents/{document}/history/1/",
        f"/documents/{document}/edit/",
        f"/documents/{document}/rename/",
        f"/documents/{document}/share/",
        "/profile/",
        "/password/",
        "/password/done/",
        "/no-such-page/",
    ]


def visited(leela: Person, fry: Person, written: Written) -> Iterator[str]:
    """Lead Leela through every page there is, busy with others; gives where she is."""
    title = "A long title that a telephone must break into several lines"
    document, taken = written(title, RICH), written("Taken by Fry", RICH)
    fry.edits(taken)
    for path in ["/", *paths(document), f"/documents/{taken}/", f"/documents/{taken}/edit/"]:
        leela.page.goto(f"{leela.url}{path}")
        if path == "/":
            leela.is_live()
        yield path
    # Pages one arrives at only by doing something wrong.
    leela.page.goto(f"{leela.url}/documents/new/")
    leela.page.locator("#id_title").evaluate("field => field.removeAttribute('required')")
    leela.button("Save").click()
    yield "a refused form"
    leela.edits(written("Late", RICH))
    leela.page.locator("#save-state input[name=version]").evaluate("field => { field.value = 0 }")
    leela.types("A late text.")
    leela.button("Save").click()
    expect(leela.page.get_by_role("heading", name="Two texts")).to_be_visible()
    yield "a conflict"
    unsaved = written("Unsaved", RICH)
    leela.edits(unsaved)
    leela.types(RICH.replace("two", "three"))
    leela.sees_saved("Draft saved")
    yield "a draft"
    leela.opens(unsaved)
    yield "a document with an unsaved text"
    leela.page.get_by_role("link", name="Restore your text").click()
    expect(leela.test_id("diff")).to_be_visible()
    yield "an unsaved text"
    both = written("Both", "one\n\ntwo")
    leela.edits(both)
    leela.types("one\n\n2")
    leela.saves()
    leela.reloads()  # the page that saved knows its own save, whatever it says
    leela.page.locator("#save-state input[name=version]").evaluate("field => { field.value = 1 }")
    leela.types("one\n\nII")
    leela.button("Save").click()
    expect(leela.test_id("passage")).to_be_visible()
    yield "overlapping changes"
    for path in ("", "?show=named", "2/?view=sides", "1/2/", "1/2/?view=sides"):
        leela.page.goto(f"{leela.url}/documents/{both}/history/{path}")
        yield f"a history with two versions, {path or 'the list'}"
    leela.page.goto(f"{leela.url}/documents/{both}/history/1/")
    name = leela.page.get_by_label("Name of this version")
    name.evaluate("field => field.removeAttribute('maxlength')")
    name.fill("long " * 21)
    leela.button("Save the name").click()
    expect(leela.page.get_by_text("at most 100 characters")).to_be_visible()
    yield "a refused name"
    asked = written("Asked", RICH)
    leela.edits(asked)
    fry.opens(asked)
    fry.button("Ask for the pen").click()
    expect(leela.button("Hand over")).to_be_visible()
    yield "an editor that is asked for the pen"
    leela.button("Keep").click()
    fry.edits(taken)
    leela.edits(written("Stale", RICH))
    token = leela.page.locator("#editor input[name=csrfmiddlewaretoken]")
    token.evaluate("field => { field.value = 'x' }")
    leela.button("Done").click()
    expect(leela.page.get_by_role("heading", name="You may not do that")).to_be_visible()
    yield "a stale form"
    leela.opens_dashboard()
    fry.finishes()
    fry.edits(document)
    # Which toast it is, other tests say; this page is about how one looks.
    expect(leela.toasts.first).to_be_visible()
    yield "a toast"
    yield from life(leela, fry, written)


def life(leela: Person, fry: Person, written: Written) -> Iterator[str]:
    """Templates, and everything that has to do with the trash."""
    hers, his = written("Thrown away by Leela", RICH, by="leela"), written("By Fry", RICH, by="fry")
    leela.opens(hers)
    leela.button("More").click()
    yield "the menu of a document"
    leela.button("Use as template").press("Enter")
    leela.goes_to(f"/documents/new/?from={hers}")
    yield "a new document from a template"
    leela.opens(hers)
    leela.throws_away()
    yield "a message with Undo"
    leela.opens(hers)
    yield "a document in the trash"
    leela.goes_to("/trash/")
    leela.page.get_by_text("Delete for good", exact=True).first.click()
    yield "the trash"
    other = leela.second_tab(f"/documents/{his}/")
    leela.edits(his)
    fry.opens(his)
    fry.throws_away()
    leela.sees_pen("theirs", "Fry moved this document to the trash")
    yield "an editor whose document is in the trash"
    leela.page, other.page = other.page, leela.page
    expect(leela.test_id("trashed")).to_be_visible()
    yield "an open page whose document is in the trash"
    leela.page, other.page = other.page, leela.page
    other.leaves()
    leela.button("Done").click()
    expect(leela.page.get_by_role("heading", name="Your text")).to_be_visible()
    yield "a save that came after the trash"
