"""Everything that a relay has stored for a filter, however much it is: by NIP-77 where the relay speaks it, else by pages.

Relays answer a REQ with their newest few hundred events only. Pages walk backwards with `until`; they are the way that
always works. NIP-77 names exactly the events that we lack, also where one second holds more events than a page.
Either way the function returns only when the relay has given all it has, so that the caller may put his cursor there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.relays.negentropy import BadReconciliation, Reconciliation
from bot.relays.session import Deliver, Session
from bot.relays.values import Filter, Have, Refused
from kinds.events import Event

PAGE = 500  # events asked for at once; relays cap it as they like
FEW = 20  # no relay gives fewer events than this at once when it has more
IDS_AT_ONCE = 200
TALK_WAIT = 5.0  # seconds for the first answer to NEG-OPEN, after which the relay counts as not speaking NIP-77
ROUND_WAIT = 30.0
MAX_ROUNDS = 2000
ASK_AGAIN_FIRST, ASK_AGAIN_MOST = 1.5, 50.0  # seconds, doubling; LocalRelay counts 1,200 queries and 20 more a second


async def catch_up(
    session: Session, filters: list[Filter], deliver: Deliver, have: Have | None, crowded: Callable[[], None]
) -> None:
    """Delivers all stored events that match, some perhaps twice. Raises Refused or NoAnswer."""
    async with session.turn:
        for each in filters:
            missing = await _difference(session, each, have) if have is not None else None
            if missing is None or not await _fetch(session, each, missing, deliver):
                await _by_pages(session, each, deliver, crowded)


async def _by_pages(session: Session, wanted: Filter, deliver: Deliver, crowded: Callable[[], None]) -> None:
    page: dict[str, int] = {}

    async def keep(event: Event) -> None:
        page[event.id] = event.created_at
        await deliver(event)

    until: int | None = None
    before: set[str] = set()  # the ids of the page before: `until` includes its oldest second
    while until is None or until >= wanted.get("since", 0):
        page.clear()
        await _ask(session, {**wanted, "limit": PAGE, **({} if until is None else {"until": until})}, keep)
        if not page:
            return
        oldest = min(page.values())
        if page.keys() <= before:
            if len(page) >= FEW and oldest == max(page.values()):
                crowded()  # more events may share this second than the relay gives at once: only NIP-77 gets at them
            oldest -= 1
        before = set(page)
        until = oldest


async def _difference(session: Session, wanted: Filter, have: Have) -> set[str] | None:
    """The ids that we lack; None when the relay does not speak NIP-77 or breaks off."""
    if session.negentropy is False:
        return None
    comparison = Reconciliation(await have([wanted]))
    async with session.talk(wanted, comparison.start()) as talk:
        for _ in range(MAX_ROUNDS):
            try:
                async with asyncio.timeout(TALK_WAIT if session.negentropy is None else ROUND_WAIT):
                    word, payload = await talk.hear()
                if word != "NEG-MSG":
                    session.negentropy = session.negentropy or None if word == "NEG-ERR" else False
                    return None
                answer = comparison.answer(payload)
            except (TimeoutError, BadReconciliation):
                session.negentropy = False
                return None
            session.negentropy = True
            if answer is None:
                return comparison.missing
            await talk.say(answer)
    return None


async def _fetch(session: Session, wanted: Filter, ids: set[str], deliver: Deliver) -> bool:
    """Delivers the events of these ids; False when the relay does not give all that it said it had."""
    left = set(ids)

    async def keep(event: Event) -> None:
        left.discard(event.id)
        await deliver(event)

    ordered = sorted(ids)
    for first in range(0, len(ordered), IDS_AT_ONCE):
        chunk = ordered[first : first + IDS_AT_ONCE]
        await _ask(session, {**wanted, "ids": chunk, "limit": len(chunk)}, keep)
    return not left


async def _ask(session: Session, wanted: Filter, deliver: Deliver) -> None:
    """One query; a relay that counts them and says 'rate-limited' is asked again later, not from the beginning."""
    pause = ASK_AGAIN_FIRST
    while True:
        try:
            return await session.query([wanted], deliver)
        except Refused as refused:
            if not str(refused).startswith("rate-limited") or pause > ASK_AGAIN_MOST:
                raise
        await asyncio.sleep(pause)
        pause *= 2
