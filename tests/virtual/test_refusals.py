"""The matrix of refusals through public doors: what nobody may do where a task stands, said by message and as a signed decision, is
refused by its code, and nothing changes: neither the task, nor what is published of it, nor where the money is.

What is expected stands in the table of `tests/handlers/test_matrix.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import pytest

from bot.limits import Limits
from kinds.events import DM_WRAP, Event
from kinds.states import TaskState
from kinds.units import Msat
from tests.handlers.test_matrix import CELLS
from tests.virtual.lives import (
    HASH,
    REWARD,
    approved,
    claimed,
    delivered,
    entry,
    funded,
    invoiced,
    offered,
    sound,
    state,
    task_of,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Person, Town

Walk = Callable[[Town], Awaitable[str]]


async def pending(town: Town) -> str:
    task = await offered(town)
    await invoiced(town, task)
    return task


async def rejected(town: Town) -> str:
    task = await delivered(town, on_reject="revise")
    await town.employer.say(f"reject {task} the form is missing")
    await entry(town, task, "proof.rejected")
    return task


async def disputed(town: Town) -> str:
    task = await delivered(town)
    await town.worker.say(f"dispute {task} no answer")
    await state(town, task, "Disputed")
    return task


async def agreed_to_refund(town: Town) -> str:
    task = await delivered(town)
    await town.employer.say(f"cancel {task} 0")
    await entry(town, task, "cancel.offered")
    await town.worker.say(f"cancel {task} 0")
    await entry(town, task, "refund.started")
    return task


async def refunded(town: Town) -> str:
    task = await agreed_to_refund(town)
    await state(town, task, "Refunded")
    return task


async def refunding(town: Town) -> str:
    _fault(town, lose_requests=1000, only=("cancel",))
    return await agreed_to_refund(town)


async def asked_where(town: Town) -> str:
    return await approved(town, destination=False)


async def in_flight(town: Town) -> str:
    _fault(town, payout_stuck=True)
    return await approved(town)


async def settling(town: Town) -> str:
    _fault(town, lose_requests=1000, only=("settle",))
    task = await approved(town)
    await entry(town, task, "settlement.started")
    return task


async def paid(town: Town) -> str:
    task = await approved(town)
    await state(town, task, "Paid")
    return task


async def expired(town: Town) -> str:
    task = await claimed(town, deadline=6 * 3600)
    await state(town, task, "Expired", within=7 * 3600)
    return task


WALKS: dict[str, Walk] = {
    "Draft": offered,
    "PendingFunding": pending,
    "Funded": funded,
    "Claimed, IN_PROGRESS": claimed,
    "Claimed, SUBMITTED": delivered,
    "Claimed, REJECTED": rejected,
    "Claimed, refunding": refunding,
    "Disputed, SUBMITTED": disputed,
    "Verified, asked where": asked_where,
    "Verified, in flight": in_flight,
    "settling, paid": settling,
    "Paid": paid,
    "Refunded": refunded,
    "Expired": expired,
}
BASIS = {"claim": "task.created", "approve": "proof.submitted", "reject": "proof.submitted", "cancel": "cancel.offered"}


def _fault(town: Town, **fields: Any) -> None:
    town.node.network.faults = type(town.node.network.faults)(**fields)


class Asker:
    """Somebody who says one thing after the other and reads the answer to each."""

    def __init__(self, town: Town, who: Person, task: str) -> None:
        self.town, self.who, self.task = town, who, task
        self.fields: dict[str, dict[str, Any]] = {
            "submit": {"url": "https://example.org/page.zip", "sha256": HASH},
            "reject": {"reason": "no"},
            "dispute": {"reason": "no"},
            "payout": {"destination": who.wallet.invoice(Msat(REWARD), expiry=30 * 86400)},
        }

    async def by_message(self, action: str) -> str:
        said = {"v": 1, "action": action, "task": self.task, **self.fields.get(action, {})}
        return await self._code(await self.who.say(json.dumps(said)))

    async def signed(self, action: str) -> str:
        log = self.town.log_of(self.task)
        fitting = [each for each in log if each["type"] == BASIS.get(action)] or log
        event = await self.who.decide(self.task, action, fitting[-1]["id"], **self.fields.get(action, {}))
        return await self._code(event.id)

    async def _code(self, question: str) -> str:
        """The code of the answer that names this question."""

        async def answered() -> str | None:
            for event in self._letters():
                rumor = await self.who.signer.unwrap(event)
                if ("e", question) in [tag[:2] for tag in rumor.tags]:
                    answer = json.loads(rumor.content)
                    assert answer["ok"] is False, rumor.content
                    return str(answer["code"])
            return None

        return await self.town.until(answered)

    def _letters(self) -> list[Event]:
        kept = self.town.relays[0].events.values()
        mine = [each for each in kept if each.kind == DM_WRAP and self.who.pubkey in each.tag_values("p")]
        return mine[:-4:-1]


def shown(town: Town, task: str) -> dict[str, Any]:
    """All that a refusal must leave as it is."""
    return {
        "task": task_of(town, task),
        "log": [each["id"] for each in town.log_of(task)],
        "state": town.state_of(task),
        "money": asdict(town.node.network.figures()),
    }


@pytest.mark.parametrize("place", WALKS)
def test_what_nobody_may_do_is_refused_at_every_door(place: str) -> None:
    async def life() -> None:
        town = Town(limits=Limits(messages_a_minute=10_000))
        await town.start()
        task = await WALKS[place](town)
        await town.pass_time(60)
        people = {"employer": town.employer, "worker": town.worker, "stranger": Person(town, "stranger", 13)}
        askers = {name: Asker(town, who, task) for name, who in people.items()}
        before, wrong = shown(town, task), []
        refusals = [cell for cell in CELLS if cell[1] == place and cell[3].islower()]
        assert len(refusals) > 15, "most of what can be said is refused"
        for person, _, action, code in refusals:
            told = await askers[person].by_message(action)
            signed = await askers[person].signed(action)
            expected = code, "bad_usage" if action == "payout" else code
            if (told, signed) != expected:
                wrong.append(f"{person} {action}: {told}, {signed}; it should be {expected}")
        assert not wrong, "; ".join(wrong)
        assert shown(town, task) == before
        _fault(town)
        await sound(town)

    run_virtually(life())


def test_the_walks_come_through_every_state() -> None:
    assert {place.split(",")[0] for place in WALKS if place != "settling, paid"} == {str(each) for each in TaskState}
