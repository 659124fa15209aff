"""Whatever two people do in whatever order: one pen, and no text is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models.functions import Now
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from collab import queries
from collab.errors import StaleSave
from collab.models import Document, Draft, Person
from collab.operations import documents, drafts, editing, headings, trash
from collab.operations.documents import Content

ACTIONS = (
    *("open", "type", "save", "done", "expire", "silence"),
    *("ask", "keep", "hand over", "seize", "move", "withdraw"),
    *("trash", "restore", "rename"),
)
STEPS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(ACTIONS)), max_size=25)


@dataclass
class Stay:
    """An editor page: what it knows, and what was typed in it."""

    fence: int
    version: int
    typed: str = ""
    is_saved: bool = True


class Workspace:
    """Two people, one document, and everything that was ever typed."""

    def __init__(self) -> None:
        self.people = [Person.objects.create_user(name) for name in ("fry", "leela")]
        self.pk = documents.create(self.people[0].pk, Content("T", "")).pk
        self.pages: list[Stay | None] = [None, None]
        self.stays: list[tuple[int, Stay]] = []
        self.saved = [""]
        self.title = "T"
        self.clock = 0

    @property
    def document(self) -> Document:
        found: Document = Document.objects.get(pk=self.pk)
        return found

    def enter(self, who: int, fence: int | None, *, is_moved: bool) -> None:
        """A page of the editor, if the pen was there; the one before it is left."""
        if fence is None:
            return
        page = Stay(fence, self.document.version)
        if is_moved:
            self.carry(who, page)
        self.pages[who] = page
        self.stays.append((who, page))

    def carry(self, who: int, page: Stay) -> None:
        """Moving to another tab: it begins with what the one before it had typed."""
        for whose, earlier in self.stays:
            if whose == who and earlier.fence == page.fence - 1:
                page.typed, page.is_saved = earlier.typed, earlier.is_saved
                earlier.is_saved = True

    def step(self, who: int, action: str) -> None:
        """One person does one thing; then what must hold is looked at."""
        person, page = self.people[who].pk, self.pages[who]
        before = self.document
        if action in ("open", "move", "seize"):
            self.enter(who, self.taken(person, action), is_moved=action == "move")
            assert action != "open" or before.holder_id is None or self.has_fence(before.fence)
        elif action == "ask":
            editing.ask(self.pk, person)
        elif action == "withdraw":
            editing.withdraw(self.pk, person)
        elif action in ("expire", "silence"):
            self.time_passes(action)
        elif action in ("trash", "restore"):
            self.comes_or_goes(person, action)
        elif action == "rename":
            self.rename(person)
        elif page is not None:
            self.on_page(who, page, action)
        after = self.document
        assert not (after.trashed_at and after.holder_id), "somebody edits in the trash"
        assert after.fence >= before.fence
        if after.holder_id != before.holder_id and after.holder_id is not None:
            assert after.fence > before.fence

    def taken(self, person: int, how: str) -> int | None:
        if how == "seize":
            return editing.seize(self.pk, person, "because")
        return editing.take(self.pk, person) if how == "open" else editing.move(self.pk, person)

    def has_fence(self, fence: int) -> bool:
        return self.document.fence == fence

    def time_passes(self, what: str) -> None:
        """The lease runs out, or nobody answers who has asked."""
        past = Now() - timedelta(hours=1)
        if what == "expire":
            Document.objects.filter(holder__isnull=False).update(expires_at=past)
            editing.expire()
            return
        Document.objects.filter(asked_by__isnull=False).update(asked_at=past)
        editing.pass_on()
        Document.objects.filter(yields_at__isnull=False).update(yields_at=past)
        editing.pass_on()

    def comes_or_goes(self, person: int, action: str) -> None:
        """Into the trash, out of everybody's hands; or back."""
        was_there = self.document.trashed_at is None
        act = trash.move if action == "trash" else trash.restore
        assert act(self.pk, person) == (was_there == (action == "trash"))
        if action == "trash":
            assert self.document.asked_by_id is self.document.holder_id is None

    def rename(self, person: int) -> None:
        """Whoever writes meanwhile is not asked: title and cover have their own lease."""
        fence, before = headings.take(self.pk, person), self.document
        assert (fence is None) == (before.trashed_at is not None)
        if fence is None:
            return
        self.clock += 1
        self.title = f"T{self.clock}"
        seen = {"fence": fence, "version": before.heading.version}
        headings.change(self.pk, person, title=self.title, cover="", **seen)
        headings.release(self.pk, person, fence)
        self.saved.append(self.saved[-1])
        after = self.document
        assert (after.holder_id, after.fence) == (before.holder_id, before.fence)

    def on_page(self, who: int, page: Stay, action: str) -> None:
        """What needs an editor page, which may have lost the pen long ago."""
        person, before = self.people[who].pk, self.document
        has_pen = before.holder_id == person and before.fence == page.fence
        if action == "type":
            self.clock += 1
            page.typed, page.is_saved = f"{who} typed {self.clock}", False
            _, told = drafts.keep(
                self.pk,
                person,
                text=page.typed,
                fence=page.fence,
                version=page.version,
                sequence=self.clock,
            )
            assert told == has_pen
        elif action == "save" and page.typed:
            self.save(who, page, may=before.fence == page.fence and not before.trashed_at)
        elif action == "keep":
            editing.keep(self.pk, person, page.fence)
        elif action == "hand over":
            editing.hand_over(self.pk, person, page.fence)
        elif action == "done":
            editing.release(self.pk, person, page.fence)

    def save(self, who: int, page: Stay, *, may: bool) -> None:
        try:
            page.version = documents.save(
                self.pk,
                self.people[who].pk,
                page.typed,
                fence=page.fence,
                version=page.version,
                sequence=self.clock,
            )
        except StaleSave:
            return
        assert may, "a save under a fence that has passed, or in the trash"
        page.is_saved = True
        self.saved.append(page.typed)

    def nothing_is_lost(self) -> None:
        """All saves are versions; all that was typed last and not saved is a draft."""
        texts = [queries.text_of(kept) for kept in reversed(queries.revisions(self.pk))]
        assert texts == self.saved
        assert self.document.title == self.title
        for who, page in self.stays:
            if not page.is_saved and page.typed not in self.saved:
                own = Draft.objects.filter(person=self.people[who], is_settled=False)
                assert own.filter(text=page.typed).exists(), page


class Interleavings(TestCase):
    """Real rows, real operations, any order."""

    @settings(max_examples=150, deadline=None)
    @given(STEPS)
    def test_no_order_loses_text_or_lets_two_write(self, steps: list[tuple[int, str]]) -> None:
        workspace = Workspace()
        for who, action in steps:
            workspace.step(who, action)
        workspace.nothing_is_lost()
