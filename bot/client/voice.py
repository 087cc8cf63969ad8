"""What people publish, built and sent: task offers, proofs, signed decisions, letters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.client.attempts import attempts
from bot.relays.client import Relays
from bot.relays.signer import KeySigner
from kinds.commands import Agree, Approve, Claim, Reject
from kinds.commands.base import TaskCommand
from kinds.decision import DECISION_TAG
from kinds.events import PROOF, RECORD, TASK, Event, Tag, Unsigned
from kinds.grammar import write_json
from kinds.proof import PROOF_TAG
from kinds.states import LogType
from kinds.task import OFFER_TAG
from kinds.units import Pubkey

RESTS_ON: dict[type[TaskCommand], LogType] = {
    Claim: LogType.TASK_CREATED,
    Approve: LogType.PROOF_SUBMITTED,
    Reject: LogType.PROOF_SUBMITTED,
    Agree: LogType.PLAN_PROPOSED,
}
"""Which entry a signed decision answers; a cancel answers the offer that it accepts, all others the newest entry."""


class Away(Exception):
    """No relay answers, so that nothing can be said or read."""


class NotTaken(Exception):
    """Every relay that answered refused the event; the text is the first one's reason."""


class NoBasis(Exception):
    """The public log has no entry on which this decision can rest."""


def offer(
    author: Pubkey,
    now: int,
    bot: Pubkey,
    *,
    d: str,
    title: str,
    amount: int | str,
    deadline: int,
    terms: Mapping[str, Any],
    more: Sequence[Tag] = (),
) -> Unsigned:
    """A task offer (kind 30078); the amount in sats, or of the currency that a tag of `more` names."""
    tags: tuple[Tag, ...] = (
        ("d", d), ("p", bot), ("t", OFFER_TAG), ("title", title), ("amount", str(amount)), ("deadline", str(deadline)),
        *more,
    )  # fmt: skip
    return Unsigned(author, now, TASK, tags, json.dumps(dict(terms), ensure_ascii=False) if terms else "")


def proof(
    author: Pubkey,
    now: int,
    bot: Pubkey,
    *,
    d: str,
    address: str,
    pinned: str,
    employer: str,
    url: str,
    sha256: str,
    mime: str | None,
    notes: str,
    more: Sequence[Tag] = (),
) -> Unsigned:
    """A proof of work (kind 30079)."""
    tags: tuple[Tag, ...] = (
        ("d", d), ("a", address), ("e", pinned), ("p", bot), ("p", employer), ("t", PROOF_TAG), ("url", url), ("x", sha256),
    )  # fmt: skip
    if mime:
        tags += (("m", mime),)
    return Unsigned(author, now, PROOF, (*tags, *more), notes)


def decision(author: Pubkey, now: int, bot: Pubkey, task: str, command: TaskCommand, basis: str | None) -> Unsigned:
    """A signed decision (kind 78)."""
    tags: tuple[Tag, ...] = (("d", task), ("t", DECISION_TAG), ("p", bot))
    if basis:
        tags += (("e", basis, "", "basis"),)
    return Unsigned(author, now, RECORD, tags, write_json(command))


class Voice:
    """Signs and sends; an event counts as said when one relay has taken it."""

    def __init__(self, relays: Relays, signer: KeySigner, within: float) -> None:
        self._relays, self._signer, self._within = relays, signer, within

    async def say(self, unsigned: Unsigned) -> Event:
        event = await self._signer.sign(unsigned)
        await self.send(event)
        return event

    async def send(self, event: Event) -> None:
        """To the relays that are there, or come back in time; the same bytes again are the same event. Raises NotTaken or Away."""
        body, urls = event.as_json(), self._relays.urls
        async for left in attempts(self._relays, self._within):
            answers = await asyncio.gather(*(self._relays.publish(url, body, event.id, left) for url in urls))
            if any(answer.accepted for answer in answers):
                return
            refused = next((answer.message for answer in answers if answer.accepted is False), None)
            if refused is not None:
                raise NotTaken(f"the relay refused the event: {refused}")
        raise Away(f"no relay answered: {', '.join(urls)}")
