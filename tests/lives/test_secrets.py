"""Everything that whole lives produce is collected and searched: logs at debug level, all frames on the relay, all messages.

What was said in private stays with the two people whom it concerns; keys, preimages and invoices with their owners alone.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.client import Away, Waited
from bot.relays.sdk import nostr_sdk
from kinds.bolt11 import decode
from kinds.commands import Approve, Cancel, Claim, Dispute, Fund, Payout, Post, Reject, Submit, Withdraw
from kinds.units import EventId, task_id
from tests.bot.relays.fakes import FakeRelay
from tests.lives.people import WORK, Person, couple, until
from tests.lives.process import Daemon

PRIVATE = {  # who may read it besides its author
    "urlocelot": "https://example.org/urlocelot/page.html",
    "notesquagga": "notesquagga: the form is in the footer",
    "reasonbongo": "reasonbongo: the form is missing",
    "feedbackokapi": "feedbackokapi: lovely in the end",
    "disputenumbat": "disputenumbat: no answer for a week",
    "cancelfossa": "cancelfossa: let us share",
}
STRAY = "nonsensekinkajou"


@dataclass(slots=True)
class Scene:
    relay: FakeRelay
    daemon: Daemon
    employer: Person
    worker: Person

    def frames(self) -> str:
        """Every frame that anybody sent to the relay, as it was."""
        return "\n".join(json.dumps(frame, ensure_ascii=False) for frame in self.relay.heard)

    async def letters(self, who: Person) -> str:
        return "\n".join(each.content for each in await who.delivered())


@asynccontextmanager
async def a_scene(folder: Path, json_lines: bool) -> AsyncIterator[Scene]:
    relay = FakeRelay()
    settings = {"LOG__LEVEL": "debug", "LOG__JSON_LINES": json_lines}
    async with relay.running() as url:
        with Daemon(folder, [url], settings) as daemon:
            place = await daemon.ready()
            async with couple(place, [url]) as (employer, worker):
                yield Scene(relay, daemon, employer, worker)
            code, _ = await daemon.stop()
            assert code == 0


async def stumbles(scene: Scene) -> None:
    """All connections are cut, and the node's answers get lost for a while: reasons to write to the log."""
    await scene.employer.place.ask("fault", lose_answers=3, only=["pay", "settle"])
    for connection in list(scene.relay.connections):
        connection.transport.abort()

    async def back() -> bool:
        with suppress(Away, Waited):
            return all([await who.answer(await who.tell("help"), 2.0) for who in (scene.employer, scene.worker)])
        return False

    await until(back, "that all are back", 60)


async def begun(scene: Scene) -> tuple[str, str, str]:
    """A task by message, until the first proof. Its id, the hold invoice, the worker's invoice."""
    employer, worker = scene.employer, scene.worker
    terms = {"deadline": "3d", "on_reject": "revise"}
    question = await employer.tell(Post(amount=50_000, title="A page for a bakery", terms=terms))
    task = task_id(EventId(question))
    await employer.answer(question)
    await employer.tell(Fund(task=task))
    hold = await employer.invoice_for(task)
    await employer.pay(hold)
    await employer.client.public.entry(task, state="Funded")
    mine = await worker.make_invoice()
    await stumbles(scene)
    await worker.answer(await worker.tell(Claim(task=task, destination=mine)))
    said = Submit(task=task, url=PRIVATE["urlocelot"], sha256=WORK, notes=PRIVATE["notesquagga"])
    await worker.answer(await worker.tell(said))
    await employer.told("notesquagga")
    return task, hold, mine


@pytest.mark.parametrize("json_lines", [False, True])
async def test_nothing_leaks_from_a_paid_life(tmp_path: Path, json_lines: bool) -> None:
    async with a_scene(tmp_path, json_lines) as scene:
        employer, worker, place = scene.employer, scene.worker, scene.employer.place
        task, hold, mine = await begun(scene)
        await employer.tell(Reject(task=task, reason=PRIVATE["reasonbongo"]))
        await worker.told("reasonbongo")
        await worker.delivers(task, "https://example.org/urlocelot/second.html")
        await employer.told("second.html")
        # what goes wrong is told to him who did it, and to nobody else
        assert (await worker.ask(f"{STRAY} {task}")).text
        assert (await worker.ask(f"payout {task} {hold[:80]}")).text
        assert (await worker.ask(f"approve {task} {STRAY}")).text
        before = len(scene.relay.heard)
        early = {who.name: await scene.letters(who) for who in (employer, worker)}
        await employer.tell(Approve(task=task, feedback=PRIVATE["feedbackokapi"]))
        await employer.client.public.entry(task, state="Paid")
        await employer.told("preimage")
        await worker.told("arrived at your wallet")
        await worker.told("feedbackokapi")
        hold_hash, my_hash = decode(hold).payment_hash, decode(mine).payment_hash
        preimage = str((await place.ask("preimage", wallet="employer", hash=hold_hash))["preimage"])
        letters = {who.name: await scene.letters(who) for who in (employer, worker)}

    frames, output = scene.frames(), scene.daemon.output()
    early_frames = "\n".join(json.dumps(frame) for frame in scene.relay.heard[:before])
    assert task in frames
    assert '"ready": true' in output
    assert scene.relay.url in scene.daemon.complaints(), "it has something to say"

    # Keys of the house: nowhere at all
    secret = (scene.daemon.data / "nostr.key").read_text().strip()
    seed = (scene.daemon.data / "simnet.key").read_text().strip()
    nsec = str(nostr_sdk.Keys.parse(secret).secret_key().to_bech32())
    for key in (secret, nsec, seed):
        assert key not in frames + output + "".join(letters.values())

    # The preimage of the hold: the employer's proof of payment, once it was used
    assert preimage in letters["employer"]
    assert preimage not in early["employer"] + letters["worker"] + frames + output

    # Invoices and hashes: their owner's; the hashes public when all is over
    assert hold in letters["employer"].lower()
    for text in (letters["worker"], frames, output):
        assert hold not in text.lower()
    for text in (letters["employer"], letters["worker"], frames, output):
        assert mine not in text.lower()
    assert my_hash not in letters["employer"]
    assert hold_hash not in letters["worker"]
    for value in (hold_hash, my_hash):
        assert value not in early_frames
        assert value in frames

    # What people wrote to each other: to each other
    for word in (*PRIVATE, STRAY):
        assert word not in frames, word
        assert word not in output, word
    assert {word for word in PRIVATE if word in letters["worker"]} == {"reasonbongo", "feedbackokapi"}
    assert {word for word in PRIVATE if word in letters["employer"]} == {"urlocelot", "notesquagga"}
    assert STRAY not in letters["employer"]
    for line in (line for line in output.splitlines() if line.startswith("{")):
        json.loads(line)


async def test_nothing_leaks_from_a_dispute(tmp_path: Path) -> None:
    """It is shared in the end: both get something back, and each names an invoice of his own for it."""
    async with a_scene(tmp_path, json_lines=True) as scene:
        employer, worker = scene.employer, scene.worker
        task, hold, mine = await begun(scene)
        await worker.tell(Dispute(task=task, reason=PRIVATE["disputenumbat"]))
        await employer.told("disputenumbat")
        await employer.tell(Cancel(task=task, percent=40, reason=PRIVATE["cancelfossa"]))
        await worker.told("cancelfossa")
        await worker.tell(Cancel(task=task, percent=40))
        await worker.client.public.entry(task, state="Verified")
        share = await worker.make_invoice(20_000)
        await worker.tell(Payout(task=task, destination=share))
        await worker.client.public.entry(task, state="Paid")
        owed = await employer.client.public.entry(task, "settlement.completed")
        change = next(each["amount_msat"] for each in owed.facts["credited"] if each["role"] == "employer")
        back = await employer.make_invoice(change // 1000 - 1_000)
        await employer.tell(Withdraw(destination=back))
        await employer.told("out of your account")
        letters = {who.name: await scene.letters(who) for who in (employer, worker)}
    frames, output = scene.frames(), scene.daemon.output()
    for word in PRIVATE:
        assert word not in frames, word
        assert word not in output, word
    for name, invoices in (("employer", (mine, share)), ("worker", (hold, back))):
        for invoice in invoices:
            assert invoice not in (letters[name] + frames + output).lower()
            assert decode(invoice).payment_hash not in letters[name]
    secret = (scene.daemon.data / "nostr.key").read_text().strip()
    assert secret not in frames + output + "".join(letters.values())
