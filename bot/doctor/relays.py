"""Each listed relay: reached, taking the kinds of events that the daemon and people publish, and giving them back.

The probes are real events with an `expiration` (NIP-40) and no meaning to the daemon. What the daemon publishes is tried with its
own key, what people publish with a key made for this once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
from websockets.asyncio.client import ClientConnection

from bot.config import Settings
from bot.findings import Finding, Grade, good, note, risk
from bot.keys import new_secret
from bot.relays.dial import TROUBLE, conversation
from bot.relays.genuine import Gate
from bot.relays.session import Session
from bot.relays.signer import KeySigner
from bot.relays.values import Drop, RelayTrouble
from kinds.events import DM_NIP04, DM_RUMOR, DM_WRAP, PROOF, RECORD, TASK, Event, Tag, Unsigned
from kinds.units import Secret

AREA = "relays"
WITHIN = 10.0  # seconds for one step with one relay
EXPIRES = 600  # seconds
OURS, PEOPLES = (RECORD, TASK, DM_WRAP), (TASK, PROOF, RECORD, DM_WRAP, DM_NIP04)


async def examine(
    settings: Settings, key: Secret | None, now: Callable[[], float]
) -> tuple[list[Finding], list[float]]:
    """Findings, and by how many seconds our clock is ahead of each relay that told its time."""
    urls = settings.relays.urls
    if not urls:
        advice = "list public relays under relays.urls, so that people elsewhere can reach the daemon"
        return [note(AREA, "only the embedded relay is used, on this machine", advice)], []
    visits = await asyncio.gather(*(_visit(url, settings, key, now) for url in urls))
    found = [each for visit in visits for each in visit.findings]
    well = sum(visit.usable for visit in visits)
    if well * 2 < len(urls):
        advice = "with less than half of its relays the daemon is deaf and its deadlines stand still: list others"
        found.append(risk(AREA, f"only {well} of {len(urls)} relays can be used", advice))
    elif len(urls) == 1:
        found.append(note(AREA, "there is one relay only", "list two or three: one may vanish"))
    return found, [visit.ahead for visit in visits if visit.ahead is not None]


@dataclass(frozen=True, slots=True)
class _Visit:
    findings: list[Finding]
    usable: bool  # for what the daemon itself says and hears
    ahead: float | None


async def _visit(url: str, settings: Settings, key: Secret | None, now: Callable[[], float]) -> _Visit:
    signer, ahead = KeySigner(key or new_secret()), await _ahead(url, now)

    def session(socket: ClientConnection) -> Session:
        return Session(socket, url, Gate(), Counter[Drop](), signer, lambda: int(now()))

    try:
        async with asyncio.timeout(WITHIN * 6), conversation(url, session) as (line, _):
            bot = await _taken(line, signer, OURS, int(now()), settings)
            people = await _taken(line, KeySigner(new_secret()), PEOPLES, int(now()), settings)
            proved = line.outgoing.proved
    except TROUBLE as trouble:
        said = str(trouble)[:120] or type(trouble).__name__
        gone = note(AREA, f"{url} cannot be reached: {said}", "check the address, or list another relay")
        return _Visit([gone], False, ahead)
    ours = _judged(
        f"{url}{' (after AUTH)' if proved else ''}", "the daemon's", bot, "ask its operator to let the daemon in"
    )
    theirs = _judged(url, "people's", people, "list a relay besides that is open to all")
    return _Visit([ours, theirs], ours.grade is Grade.GOOD, ahead)


@dataclass(slots=True)
class _Taken:
    kinds: list[int]
    refused: dict[int, str]  # kind -> the relay's words
    lost: list[int]  # taken, and not given back


async def _taken(line: Session, signer: KeySigner, kinds: tuple[int, ...], now: int, settings: Settings) -> _Taken:
    found = _Taken([], {}, [])
    for kind in kinds:
        if kind == DM_NIP04 and not settings.dm.nip04:
            continue
        probe = await _probe(signer, kind, now)
        ack = await line.outgoing.publish(probe.as_json(), probe.id, WITHIN)
        if not ack.accepted:
            found.refused[kind] = ack.message
        elif await _given_back(line, probe):
            found.kinds.append(kind)
        else:
            found.lost.append(kind)
    return found


async def _probe(signer: KeySigner, kind: int, now: int) -> Event:
    """An event of this kind that says nothing and is soon over; letters are to ourselves."""
    expires: Tag = ("expiration", str(now + EXPIRES))
    if kind == DM_WRAP:
        return await signer.wrap(signer.pubkey, Unsigned(signer.pubkey, now, DM_RUMOR, (expires,), "probe"))
    tags: tuple[Tag, ...] = (("d", f"holdfast-doctor-{secrets.token_hex(4)}"), ("t", "holdfast-doctor"), expires)
    if kind != DM_NIP04:
        return await signer.sign(Unsigned(signer.pubkey, now, kind, tags, "probe"))
    sealed = await signer.nip04_encrypt(signer.pubkey, "probe")
    return await signer.sign(Unsigned(signer.pubkey, now, kind, (("p", signer.pubkey), expires), sealed))


async def _given_back(line: Session, probe: Event) -> bool:
    """Asked for as the daemon asks, in a question of its own: some relays give letters only to those who name their key."""
    back: list[str] = []

    async def keep(event: Event) -> None:
        back.append(event.id)

    named = {"#p": [probe.tag("p")]} if probe.kind in (DM_WRAP, DM_NIP04) else {"authors": [probe.pubkey]}
    try:
        await line.query([{"kinds": [probe.kind], "ids": [probe.id], **named}], keep)
    except RelayTrouble:
        return False
    return probe.id in back


def _judged(url: str, whose: str, taken: _Taken, advice: str) -> Finding:
    complaints = [f"refuses kind {kind} ({why})" for kind, why in taken.refused.items()]
    complaints += [f"takes kind {kind} and does not give it back" for kind in taken.lost]
    if complaints:
        return note(AREA, f"{url}, with {whose} events: {'; '.join(complaints)}", advice)
    kinds = ", ".join(map(str, taken.kinds))
    return good(AREA, f"{url} takes {whose} events and gives them back (kinds {kinds})")


async def _ahead(url: str, now: Callable[[], float]) -> float | None:
    """Seconds by which our clock is ahead of the relay's web server (the Date of its NIP-11 answer); None when it tells none."""
    address = url.replace("ws", "http", 1)
    try:
        async with httpx.AsyncClient(timeout=WITHIN, follow_redirects=False, trust_env=False) as web:
            before = now()
            answer = await web.get(address, headers={"Accept": "application/nostr+json"})
            told = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, KeyError, ValueError, TypeError):
        return None
    return (before + now()) / 2 - told - 0.5  # a Date is cut to the second
