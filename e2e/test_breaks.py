"""When things break: the network, a server, a session, a token."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Route, expect

from e2e.cable import Cable
from e2e.conftest import both_stacks, on_cluster
from e2e.observers import BADGES, BANNER, html
from e2e.people import KILLED, PULLED, Person, PersonMaker, post
from e2e.stack import Stack

pytestmark = pytest.mark.complaints
Written = Callable[..., int]
#: A page may take this long to come back (milliseconds).
BACK = 15_000
#: A cut is spoken of after so long, and the machine may be busy (milliseconds).
SPOKEN_OF, LATE = 3_000, 1_500
MAKE_KIF = """
from collab.models import Person
if not Person.objects.filter(username="kif").exists():
    Person.objects.create_user("kif", password="planet-express")
"""
#: Breaks the signature of the page's token before it is sent.
FORGE = """
if (location.hash === "#forged") addEventListener("DOMContentLoaded", () => {
  document.querySelector("#live input[name=page]").value += "x";
});
"""


#: Whose the pen is, under which fence, since when.
HELD = "SELECT holder_id, fence, held_at FROM collab_document WHERE id = %s"


def banner(person: Person, which: str) -> None:
    """The line about the connection that this person sees."""
    expect(person.page.locator(f"[data-connection='{which}']")).to_be_visible()


@pytest.mark.parametrize("fault", ["no answer", "an error"])
def test_a_save_that_failed_says_so_and_can_be_repeated(
    leela: Person, document: int, fault: str
) -> None:
    """Never green without the server's answer; the text stays, and the next try works."""
    leela.edits(document)
    leela.types("Kept through a failure.")

    def fail(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
        elif fault == "an error":
            route.fulfill(status=500, body="<h1>Something went wrong</h1>")
        else:
            route.abort()

    leela.page.route("**/edit/**", fail)
    leela.button("Save").click()
    expect(leela.save_state).to_have_attribute("data-state", "unsaved")
    expect(leela.save_state).to_contain_text("Not saved")
    leela.page.unroute("**/edit/**")
    expect(leela.text_field).to_have_value("Kept through a failure.")
    leela.saves()


def test_a_slow_script_does_not_leave_the_page_dead(leela: Person) -> None:
    """htmx must not start before its WebSocket extension has arrived: here after
    everything else."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    leela.page.route("**/hx-ws-*.js", hold)
    with leela.page.expect_response(re.compile(r"/js/live\.")):
        leela.page.goto(leela.url, wait_until="commit")
    leela.is_connected("connecting")
    (late,) = held
    late.continue_()
    leela.is_live()


@both_stacks
def test_offline_and_back(
    stack: Stack, cable: Cable, person: PersonMaker, fry: Person, written: Written
) -> None:
    """A banner while it lasts; then the right state and the missed toasts, unreloaded."""
    document = written("While you were away")
    leela = person("leela", url=stack.cable_url)
    leela.context.add_init_script(BANNER)
    leela.opens_dashboard()
    leela.page.evaluate("() => { document.body.dataset.same = 'page' }")
    cable.pull()
    leela.is_connected("offline")
    banner(leela, "lost")
    expect(leela.page.locator("[data-connection=lost]")).to_contain_text("Reconnecting…")
    expect(html(leela)).to_have_attribute("data-test-banner", re.compile("."))
    seen_after = int(html(leela).get_attribute("data-test-banner") or 0)
    assert SPOKEN_OF <= seen_after <= SPOKEN_OF + LATE
    fry.opens(document)
    fry.link("Edit").click()
    fry.types("Nobody saw me write this.")
    fry.saves()
    cable.plug()
    leela.is_connected("live", within=BACK)
    leela.sees_badge(document, "editing", "Fry is editing")
    leela.sees_toast(document, "saved", "Fry saved While you were away")
    leela.sees_active(2)
    expect(leela.row(document)).to_contain_text("Nobody saw me write this.")
    expect(leela.page.locator("[data-connection=lost]")).to_be_hidden()
    expect(leela.page.locator("body")).to_have_attribute("data-same", "page")


def test_what_is_typed_survives_a_cut(
    stack: Stack, cable: Cable, person: PersonMaker, document: int
) -> None:
    """The editor's text and pen are there after a cut, and it can be saved. Nobody saw
    the pen free meanwhile, nor was it: it is the same one, held since the same time."""
    leela, fry = person("leela"), person("fry", url=stack.cable_url)
    leela.context.add_init_script(BADGES)
    fry.edits(document)
    leela.opens(document)
    fry.types("Typed before the cut.")
    held = stack.sql(HELD, document)
    cable.pull()
    fry.is_connected("offline")
    fry.types("Typed before the cut, and during it.")
    cable.plug()
    fry.is_connected("live", within=BACK)
    expect(fry.text_field).to_have_value("Typed before the cut, and during it.")
    fry.sees_pen("mine")
    fry.saves()
    leela.sees_text("and during it.")
    assert stack.sql(HELD, document) == held
    expect(html(leela)).to_have_attribute("data-test-badges", f"{document}:editing")
    fry.finishes()
    leela.sees_badge(document, "reading")
    expect(html(leela)).to_have_attribute("data-test-badges", f"{document}:editing>reading")


def test_a_pulled_cable_is_noticed(stack: Stack, cable: Cable, person: PersonMaker) -> None:
    """Who hangs on a dead line, with no goodbye from any side, is gone for the
    others within the promised 25 s."""
    leela, fry = person("leela"), person("fry", url=stack.cable_url)
    leela.opens_dashboard()
    fry.opens_dashboard()
    leela.sees_active(2)
    cable.freeze()
    leela.sees_active(1, within=PULLED)


@on_cluster
def test_a_killed_process_is_forgotten(stack: Stack, person: PersonMaker, written: Written) -> None:
    """kill -9 of one of two processes: the people of that process are gone within 10 s;
    they come back, to the right state, without a reload. Until then a pen waits for its
    holder: the editor may be open still."""
    read, edited = written("Read"), written("Edited")
    leela, bender = person("leela"), person("bender")
    fry, zoidberg = person("fry"), person("zoidberg")  # on the other process
    leela.opens_dashboard()
    bender.opens(read)
    fry.opens(read)
    zoidberg.edits(edited)
    leela.sees_active(4)
    leela.sees_badge(read, "reading", "Bender, Fry are reading")
    leela.sees_badge(edited, "editing", "Zoidberg is editing")
    stack.kill(1)
    leela.sees_active(2, within=KILLED)
    leela.sees_badge(read, "reading", "Bender is reading")
    leela.sees_badge(edited, "editing", "Zoidberg is editing")
    bender.sees_active(2)
    bender.sees_badge(read, "reading", "You are reading")
    fry.is_connected("offline")
    stack.revive()
    fry.is_connected("live", within=BACK)
    leela.sees_active(4, within=BACK)
    leela.sees_badge(read, "reading", "Bender, Fry are reading")
    fry.sees_badge(read, "reading", "Bender, You are reading")
    zoidberg.is_connected("live", within=BACK)
    zoidberg.sees_pen("mine", "You are editing")


def test_a_restart_of_the_server_is_a_short_cut(stack: Stack, leela: Person, fry: Person) -> None:
    """SIGTERM and a new start: the pages come back by themselves."""
    leela.opens_dashboard()
    fry.opens_dashboard()
    leela.sees_active(2)
    stack.service("serve-0").stop()
    leela.is_connected("offline")
    stack.revive()
    leela.is_connected("live", within=BACK)
    fry.is_connected("live", within=BACK)
    leela.sees_active(2)


def test_the_event_loop_reads_no_forms(stack: Stack) -> None:
    """A form that nobody can read is refused by the product, and politely; Daphne
    would read forms, too, while everybody else waits, and hang up on this one."""
    broken = urllib.request.Request(
        f"{stack.urls[0]}/login/",
        data=b"--x\r\nthis is no part of a form\r\n--x--\r\n",
        headers={"Content-Type": "multipart/form-data"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(broken)
    with refused.value as answer:
        assert "Content-Security-Policy" in answer.headers


def test_a_restart_takes_no_pen_and_tells_nobody(
    stack: Stack, person: PersonMaker, document: int
) -> None:
    """The editor comes back with the pen it had, and nobody has "opened" anything anew."""
    leela, fry, bender = person("leela"), person("fry"), person("bender")
    leela.opens_dashboard()
    bender.opens(document)
    fry.edits(document)
    fry.types("Typed before the restart.")
    stack.sql("UPDATE collab_activity SET at = %s", "2020-01-01 00:00:00+00:00")
    before = stack.sql("SELECT count(*) FROM collab_activity")
    stack.kill(0)
    stack.revive()
    fry.is_connected("live", within=BACK)
    bender.is_connected("live", within=BACK)
    leela.is_connected("live", within=BACK)
    leela.sees_active(3, within=BACK)
    fry.sees_pen("mine")
    fry.saves()
    leela.sees_badge(document, "editing", "Fry is editing")
    saved = stack.sql("SELECT count(*) FROM collab_activity WHERE verb = %s", "saved")
    after = stack.sql("SELECT count(*) FROM collab_activity")
    assert after[0][0] - before[0][0] == saved[0][0] == 1


@both_stacks
def test_signed_out_elsewhere(person: PersonMaker) -> None:
    """The session ends in another place: within 2 s the page says so, and stays so."""
    leela = person("leela", own_session=True)
    leela.opens_dashboard()
    post(leela.context.request, f"{leela.url}/profile/", {}, to=f"{leela.url}/logout/")
    expect(html(leela)).to_have_attribute("data-closed", "4401", timeout=2_000)
    expect(html(leela)).to_have_attribute("data-live", "offline")
    banner(leela, "4401")
    expect(leela.link("Sign in again")).to_be_visible()


@pytest.fixture
def kif(stack: Stack, person: PersonMaker) -> Iterator[Person]:
    """Somebody whose account is of no further use, on the last process."""
    stack.manage("shell", "-c", MAKE_KIF)
    yield person("kif", own_session=True, url=stack.urls[-1])
    stack.sql("UPDATE collab_person SET is_active = TRUE WHERE username = 'kif'")


@both_stacks
def test_deactivated(person: PersonMaker, kif: Person) -> None:
    """Hermes switches an account off: within 2 s its open page hears nothing more, and
    says why; and there is no other."""
    hermes = person("hermes")
    kif.opens_dashboard()
    hermes.goes_to("/people/")
    account = hermes.page.locator("[data-testid=account][data-user=kif]")
    account.get_by_role("button", name="Switch off").click()
    expect(html(kif)).to_have_attribute("data-closed", "4423", timeout=2_000)
    banner(kif, "4423")
    expect(kif.page.get_by_text("your account has been deactivated")).to_be_visible()
    assert kif.context.request.get(f"{kif.url}/").url.endswith("/login/?next=/")


def test_a_forged_page_is_told_to_reload(leela: Person, document: int) -> None:
    """A page whose token is not ours gets nothing, and says that a reload helps."""

    leela.context.add_init_script(FORGE)
    leela.page.goto(f"{leela.url}/documents/{document}/#forged")
    expect(html(leela)).to_have_attribute("data-closed", "4400")
    banner(leela, "4400")
    leela.page.locator("[data-connection='4400']").get_by_role("link", name="Reload").click()
    leela.is_live()
