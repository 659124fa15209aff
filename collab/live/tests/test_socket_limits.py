"""How many sockets somebody may have, and how often they may open one."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.test import AsyncClient
from pytest_django import Settings

from collab.live import bus, rates
from collab.live.consumer import REFUSED, SOCKET_OPENS, SOCKETS, STRANGER_OPENS
from collab.live.models import Connection, Node
from collab.live.process import SIGNED_OUT, TOO_MANY, Process
from collab.live.testing import LivePage, connect, eventually, signed_in
from collab.models import Person

pytestmark = pytest.mark.django_db(transaction=True)


async def opened(client: AsyncClient) -> WebsocketCommunicator:
    """A socket that was let in."""
    socket = connect(client)
    assert (await socket.connect())[0]
    return socket


async def refused(socket: WebsocketCommunicator) -> int:
    """The code with which a socket is closed at once."""
    assert (await socket.connect())[0]
    return int((await socket.receive_output(timeout=5))["code"])


async def refusals() -> dict[str, int]:
    return dict(await sync_to_async(rates.refusals)(REFUSED))


async def test_one_socket_too_many(
    engine: Process, leela: Person, fry: Person, settings: Settings
) -> None:
    """Closed with a code of its own, also before any page was named. One that ends makes
    room; another person has room of their own."""
    settings.LIVE = {**settings.LIVE, "sockets_per_person": 2}
    client = await signed_in(leela)
    first, second = await opened(client), await opened(client)
    assert await refused(connect(client)) == TOO_MANY
    assert await refused(connect(await signed_in(leela))) == TOO_MANY, "whichever browser"
    other = await opened(await signed_in(fry))
    assert (await refusals())[SOCKETS] == 2
    await first.disconnect()
    third = await opened(client)
    for socket in (second, third, other):
        await socket.disconnect()
    assert not engine.open_sockets


async def test_a_page_that_was_refused_gets_nothing(
    engine: Process, leela: Person, settings: Settings
) -> None:
    """Whatever it sends: it is no reader, and counts as nobody's page."""
    settings.LIVE = {**settings.LIVE, "sockets_per_person": 1}
    client = await signed_in(leela)
    first = await opened(client)
    page = LivePage("/", client, connect(client))
    await page.load()
    await page.connect()
    assert await page.is_closed() == TOO_MANY
    assert await page.hears_nothing()
    assert not engine.hub.sockets
    await first.disconnect()


@pytest.fixture
def shared_bus(monkeypatch: pytest.MonkeyPatch, engine: Process) -> None:
    """As with a channel layer that reaches other processes."""
    monkeypatch.setattr(bus, "is_in_memory", lambda: False)


async def pages_elsewhere(person: Person, count: int, boot: str = "b") -> Node:
    """Pages that another process holds."""
    node = await Node.objects.acreate(boot=boot, host="elsewhere", pid=1)
    await Connection.objects.abulk_create(
        Connection(node=node, page=f"{boot}{number}", user=person) for number in range(count)
    )
    return node


async def resumed(client: AsyncClient) -> LivePage:
    """A page that says which it is."""
    page = LivePage("/", client, connect(client))
    await page.load()
    await page.connect()
    return page


async def test_pages_of_other_processes_count(
    engine: Process, shared_bus: None, leela: Person, fry: Person, settings: Settings
) -> None:
    """Those of a process that has died do not, nor those that have left, nor others'."""
    settings.LIVE = {**settings.LIVE, "sockets_per_person": 3, "processes": 4}
    node = await pages_elsewhere(leela, 3)
    await pages_elsewhere(fry, 3, "f")
    client = await signed_in(leela)
    page = await resumed(client)
    assert await page.is_closed() == TOO_MANY
    await Connection.objects.filter(page="b0").adelete()
    fits = await resumed(client)
    await eventually(lambda: engine.hub.by_user.get(leela.pk))
    assert await (await resumed(client)).is_closed() == TOO_MANY
    await Node.objects.filter(pk=node.pk).aupdate(seen_at="2000-01-01 00:00:00+00:00")
    again = await resumed(client)
    await eventually(lambda: len(engine.hub.by_user[leela.pk]) == 2)
    assert (await refusals())[SOCKETS] == 2
    for one in (fits, again):
        await one.socket.disconnect()


async def test_pages_that_come_over_count_once(
    engine: Process, shared_bus: None, leela: Person, settings: Settings
) -> None:
    """The other process has died a moment ago: its rows still stand when they are back."""
    settings.LIVE = {**settings.LIVE, "sockets_per_person": 3, "processes": 4}
    client = await signed_in(leela)
    node = await Node.objects.acreate(boot="b", host="elsewhere", pid=1)
    pages = [LivePage("/", client, connect(client)) for _ in range(3)]
    for page in pages:
        await page.load()
        await page.connect()
        await eventually(lambda: len(engine.hub.by_user.get(leela.pk, ())) == pages.index(page) + 1)  # noqa: B023
        # As if it were not written here yet, and all were written there.
        await Connection.objects.filter(user=leela).aupdate(node=node, left_at=None)
    assert (await refusals())[SOCKETS] == 0
    for page in pages:
        await page.socket.disconnect()


async def test_opening_again_and_again(
    engine: Process, leela: Person, fry: Person, settings: Settings
) -> None:
    """Whoever does is closed, and nobody else at their address."""
    settings.LIVE = {**settings.LIVE, "socket_opens_per_minute": 3}
    client = await signed_in(leela)
    codes = []
    for _ in range(3):
        await (await opened(client)).disconnect()
    codes = [await refused(connect(client)) for _ in range(2)]
    assert codes == [TOO_MANY] * 2
    await (await opened(await signed_in(fry))).disconnect()
    assert (await refusals())[SOCKET_OPENS] == 2


async def test_strangers_that_open_sockets(
    engine: Process, leela: Person, settings: Settings
) -> None:
    """They are told to sign in; then not even that: no socket is opened. Who is signed
    in at the same address does not notice."""
    settings.LIVE = {**settings.LIVE, "stranger_opens_per_minute": 2}
    stranger, forger = AsyncClient(), AsyncClient()
    forger.cookies[settings.SESSION_COOKIE_NAME] = "no-such-session-at-all-0123456789"
    assert await refused(connect(stranger)) == SIGNED_OUT
    assert await refused(connect(forger)) == SIGNED_OUT
    for client in (stranger, forger):
        assert not (await connect(client).connect())[0]
    await (await opened(await signed_in(leela))).disconnect()
    assert (await refusals())[STRANGER_OPENS] == 2


async def test_no_limit(engine: Process, leela: Person, settings: Settings) -> None:
    """0 switches each of them off."""
    names = ("sockets_per_person", "socket_opens_per_minute", "stranger_opens_per_minute")
    settings.LIVE = {**settings.LIVE, **dict.fromkeys(names, 0)}
    client = await signed_in(leela)
    sockets = [await opened(client) for _ in range(5)]
    for socket in sockets:
        await socket.disconnect()
    assert set((await refusals()).values()) == {0}
