"""Whatever two people do in whatever order: one pen, and no text is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from collab import queries
from collab.errors import StaleSave
from collab.merging import Overlap, merge
from collab.models import Document, Draft, Person
from collab.operations import documents, drafts, editing, headings, trash
from collab.operations.documents import Content

ACTIONS = (
    *("open", "type", "type over", "save", "publish", "done"),
    *("lapse", "expire", "silence", "renew", "regain", "resume", "take back"),
    *("ask", "keep", "hand over", "seize", "move", "withdraw"),
    *("trash", "restore", "rename", "go on"),
)
#: Each person has a line of their own, and both write in the one between, if they must.
TEXT = "Fry:\n\nBoth:\n\nLeela:"
OWN_LINES, SHARED_LINE = (0, 4), 2
#: What people mostly do; by chance alone few would ever save.
HABITS = (
    ("open", "type", "publish", "done"),
    ("open", "type", "save", "rename"),
    ("open", "type over", "expire"),
    ("open", "type", "lapse"),
    ("go on", "type", "publish"),
    ("go on", "publish", "done"),
    ("seize", "type over", "save", "done"),
    ("ask", "silence", "move", "type"),
    ("take back", "publish"),
    ("regain", "type", "publish"),
    ("resume", "type", "publish"),
)
Step = tuple[int, tuple[str, ...]]
STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.one_of(st.sampled_from(HABITS), st.sampled_from(ACTIONS).map(lambda one: (one,))),
    ),
    min_size=2,
    max_size=12,
)
#: What must come in each run, however the others turn out: a merge, changes that overlap,
#: a pen that is taken back, one that is not because somebody has written, and one that was
#: given back before its page was heard of.
MERGED: list[Step] = [
    (0, ("open", "type", "expire")),
    (1, ("open", "type", "publish", "done")),
    (0, ("go on", "publish")),
]
OVERLAPPING: list[Step] = [
    (0, ("open", "type over", "lapse")),
    (1, ("open", "type over", "publish", "done")),
    (0, ("go on", "publish")),
]
TAKEN_BACK: list[Step] = [
    (0, ("open", "type", "expire")),
    (1, ("open", "type", "done")),
    (0, ("take back", "type", "publish")),
]
REWRITTEN: list[Step] = [*MERGED[:2], (0, ("take back", "publish"))]
GIVEN_BACK: list[Step] = [(0, ("open", "done", "resume", "type"))]


@dataclass
class Stay:
    """An editor page: what it knows, and what is in it."""

    fence: int
    version: int
    typed: str
    is_saved: bool = True


class Workspace:
    """Two people, one document, and everything that was ever typed."""

    def __init__(self) -> None:
        self.people = [Person.objects.create_user(name) for name in ("fry", "leela")]
        self.pk = documents.create(self.people[0].pk, Content("T", TEXT)).pk
        self.pages: list[Stay | None] = [None, None]
        self.stays: list[tuple[int, Stay]] = []
        self.saved = [TEXT]
        self.title = "T"
        self.clock = 0
        #: The fence of a lease that was meant to end, till it is taken up again.
        self.given_back: int | None = None

    @property
    def document(self) -> Document:
        found: Document = Document.objects.get(pk=self.pk)
        return found

    def enter(self, who: int, fence: int | None, *, is_moved: bool) -> None:
        """A page of the editor, if the pen was there; the one before it is left."""
        if fence is None:
            return
        now = self.document
        page = Stay(fence, now.version, now.text)
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
            was_free = before.holder_id is None or is_over(before)
            assert action != "open" or was_free or self.has_fence(before.fence)
        elif action in ("ask", "withdraw"):
            act = editing.ask if action == "ask" else editing.withdraw
            act(self.pk, person)
        elif action in ("lapse", "expire", "silence"):
            self.time_passes(action)
        elif action in ("trash", "restore"):
            self.comes_or_goes(person, action)
        elif action == "rename":
            self.rename(person)
        elif action == "go on":
            self.go_on(who)
        elif page is not None:
            self.on_page(who, page, action)
        after = self.document
        assert not (after.trashed_at and after.holder_id), "somebody edits in the trash"
        assert after.fence >= before.fence
        if action not in ("regain", "resume") and after.holder_id not in (None, before.holder_id):
            assert after.fence > before.fence

    def taken(self, person: int, how: str) -> int | None:
        if how == "seize":
            return editing.seize(self.pk, person, "because")
        return editing.take(self.pk, person) if how == "open" else editing.move(self.pk, person)

    def has_fence(self, fence: int) -> bool:
        return self.document.fence == fence

    def time_passes(self, what: str) -> None:
        """The lease runs out (and somebody sees it), or nobody answers who has asked."""
        past = Now() - timedelta(hours=1)
        if what in ("lapse", "expire"):
            Document.objects.filter(holder__isnull=False).update(expires_at=past)
            if what == "expire":
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
            self.given_back = self.document.fence

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
        if action in ("type", "type over"):
            line = SHARED_LINE if action == "type over" else OWN_LINES[who]
            assert self.types(who, page, line) == has_pen
            return
        acts: dict[str, Callable[[], object]] = {
            "save": lambda: self.save(who, page),
            "publish": lambda: self.publish(who, page),
            "renew": lambda: self.renew(page),
            "regain": lambda: self.regain(person, page),
            "resume": lambda: self.resume(person, page),
            "take back": lambda: self.take_back(person, page),
            "keep": lambda: editing.keep(self.pk, person, page.fence),
            "hand over": lambda: editing.hand_over(self.pk, person, page.fence),
            "done": lambda: self.done(person, page),
        }
        acts[action]()

    def types(self, who: int, page: Stay, line: int) -> bool:
        """Something new in a line; gives whether the page was told that it has the pen."""
        self.clock += 1_000  # milliseconds: between two texts there is time
        lines = page.typed.split("\n")
        lines[min(line, len(lines) - 1)] = f"{who} typed {self.clock}"
        page.typed, page.is_saved = "\n".join(lines), False
        _, told = drafts.keep(
            self.pk,
            self.people[who].pk,
            text=page.typed,
            fence=page.fence,
            version=page.version,
            sequence=self.clock,
        )
        return told

    def go_on(self, who: int) -> None:
        """With the newest text that was not saved, one's own or one that is offered: in
        a new page, which begins from what that text began from."""
        person = self.people[who].pk
        newest = queries.unsaved(self.pk, person).first()
        if newest is None:
            return
        taken = editing.take(self.pk, person)
        fence = taken or editing.move(self.pk, person)
        if fence is None:
            return
        self.enter(who, fence, is_moved=taken is None)
        page = self.pages[who]
        assert page
        newest.refresh_from_db()
        if newest.fence != fence:
            self.change_places(who, newest, page)
        page.typed, page.version, page.is_saved = newest.text, newest.base_version, False
        drafts.resume(newest, person, fence)

    def change_places(self, who: int, draft: Draft, page: Stay) -> None:
        """One's own draft leaves the stay that it was of; what the page has begun with
        waits there instead."""
        for whose, earlier in self.stays:
            if self.people[whose].pk == draft.person_id == self.people[who].pk:
                earlier.is_saved |= earlier.fence == draft.fence
        if not page.is_saved:
            self.stays.append((who, Stay(draft.fence, page.version, page.typed, False)))

    def may_save(self, who: int, page: Stay, *, merges: bool) -> bool:
        """Is the pen this page's, or nobody's since? What others have changed meanwhile
        (the heading) needs merging."""
        now, person = self.document, self.people[who].pk
        if now.fence != page.fence or now.trashed_at:
            return False
        return now.holder_id in (None, person) and (merges or now.version == page.version)

    def save(self, who: int, page: Stay) -> None:
        """What may be saved is, and nothing else."""
        may = self.may_save(who, page, merges=False)
        try:
            version = documents.save(self.pk, self.people[who].pk, **self.sent(page))
        except StaleSave:
            assert not may, "a rightful save was refused"
            return
        assert may, "a save that was not rightful"
        self.note(page, version, page.typed)

    def publish(self, who: int, page: Stay) -> None:
        """The same, where what somebody else has saved meanwhile is merged: all that is
        new on either side is there, and what both changed is asked about."""
        may = self.may_save(who, page, merges=True)
        base, now = self.saved[page.version - 1], self.document.text
        overlaps = any(passage.overlaps for passage in merge(base, page.typed, now))
        try:
            version, _ = documents.publish(self.pk, self.people[who].pk, **self.sent(page))
        except StaleSave:
            assert not may, "a rightful save was refused"
            return
        except Overlap:
            assert may
            assert overlaps
            return
        assert may, "a save that was not rightful"
        assert not overlaps
        published = self.document.text
        news = {line for text in (page.typed, now) for line in new_lines(base, text)}
        assert news <= set(published.split("\n"))
        self.note(page, version, published)

    def sent(self, page: Stay) -> dict[str, Any]:
        return {
            "text": page.typed,
            "fence": page.fence,
            "version": page.version,
            "sequence": self.clock,
        }

    def note(self, page: Stay, version: int, text: str) -> None:
        """The page shows what has become of it."""
        page.version, page.typed, page.is_saved = version, text, True
        self.saved.append(text)

    def renew(self, page: Stay) -> None:
        """A process that still knows the page: only its own lease lasts longer."""
        before = self.document
        editing.renew({(self.pk, page.fence)})
        after = self.document
        assert (after.holder_id, after.fence) == (before.holder_id, before.fence)
        if before.holder_id is None or before.fence != page.fence:
            assert after.expires_at == before.expires_at
        else:
            assert not is_over(after)

    def done(self, person: int, page: Stay) -> None:
        before = self.document
        editing.release(self.pk, person, page.fence)
        if (before.holder_id, before.fence) == (person, page.fence):
            self.given_back = page.fence

    def regain(self, person: int, page: Stay) -> None:
        """Somebody goes on: the pen is theirs again unless somebody has taken it since."""
        may = self.is_untaken(person, page)
        assert editing.regain(self.pk, person, page.fence) == may
        self.has_again(person, page, may=may)

    def resume(self, person: int, page: Stay) -> None:
        """The page is back: the same, unless its person has given it back."""
        may = self.is_untaken(person, page) and self.given_back != page.fence
        assert editing.resume(self.pk, person, page.fence) == may
        self.has_again(person, page, may=may)

    def is_untaken(self, person: int, page: Stay) -> bool:
        now = self.document
        is_free = now.holder_id is None or (now.holder_id == person and is_over(now))
        return now.fence == page.fence and is_free and now.trashed_at is None

    def has_again(self, person: int, page: Stay, *, may: bool) -> None:
        if may:
            self.given_back = None
            after = self.document
            assert (after.holder_id, after.fence) == (person, page.fence)

    def take_back(self, person: int, page: Stay) -> None:
        """The page has lost the pen, but nobody has it, and nobody has written since:
        it goes on, with its draft, under another fence."""
        before = self.document
        may = (
            before.fence > page.fence
            and before.text == self.saved[page.version - 1]
            and (before.holder_id is None or is_over(before))
            and before.trashed_at is None
        )
        fence = editing.take_back(self.pk, person, page.fence, page.version)
        assert (fence is not None) == may
        if fence is not None:
            page.fence = fence

    def nothing_is_lost(self) -> None:
        """All saves are versions; all that was typed last and not saved is a draft."""
        texts = [queries.text_of(kept) for kept in reversed(queries.revisions(self.pk))]
        assert texts == self.saved
        assert self.document.title == self.title
        for who, page in self.stays:
            if not page.is_saved and page.typed not in self.saved:
                own = Draft.objects.filter(person=self.people[who], is_settled=False)
                assert own.filter(text=page.typed).exists(), page


def is_over(document: Document) -> bool:
    """Has the time of its holder passed? (By an hour, if it has.)"""
    return document.expires_at is not None and document.expires_at < timezone.now()


def new_lines(base: str, text: str) -> set[str]:
    """What somebody has written into a text (each line that is typed is another)."""
    return set(text.split("\n")) - set(base.split("\n"))


class Interleavings(TestCase):
    """Real rows, real operations, any order."""

    @settings(max_examples=100, deadline=None)
    @given(STEPS)
    @example(MERGED)
    @example(OVERLAPPING)
    @example(TAKEN_BACK)
    @example(REWRITTEN)
    @example(GIVEN_BACK)
    def test_no_order_loses_text_or_lets_two_write(self, steps: list[Step]) -> None:
        workspace = Workspace()
        for who, actions in steps:
            for action in actions:
                workspace.step(who, action)
        workspace.nothing_is_lost()
