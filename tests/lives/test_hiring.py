"""A life in which the worker is picked before the money, over a real relay and by the command line's own client."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinds.commands import Claim, Fund, Hire
from tests.lives.people import HOLD, REWARD, START, couple, house, person, public_log


async def test_picked_before_the_money(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.hearing._REPEAT", 0)  # the same answer again comes at once
    async with (
        house(tmp_path / "data") as place,
        couple(place) as (employer, worker),
        person("other", place) as other,
    ):
        public = employer.client.public
        task = await employer.drafted(terms={"order": "hire_first", "claim": "pick"})
        assert (await employer.ask(Fund(task=task), form="json")).code == "not_hired"
        for who in (other, worker):
            said = Claim(task=task, destination=await who.make_invoice(), note=f"the {who.name} can do it")
            assert (await who.ask(said, form="json")).code == "applied"
            wanted = ("proposed", said.note)
            await employer.client.letter(lambda each, w=wanted: (each.code, each.said.get("note")) == w, said.note)  # type: ignore[misc]
        hired = await employer.ask(Hire(task=task, npub=worker.pubkey), form="json")
        assert (hired.code, hired.said["worker"]) == ("accepted_by", worker.pubkey)
        await other.told("passed_over")
        await employer.tell(Fund(task=task))
        await employer.pay(await employer.invoice_for(task))
        await public.entry(task, state="Claimed")
        await worker.told("claimed")
        await worker.delivers(task)
        await employer.approves(task)
        entries = await public_log(employer, task)
        assert [entry["type"] for entry in entries] == [
            "task.created", "claim.offered", "claim.offered", "task.accepted", "invoice.created", "invoice.accepted",
            "task.claimed", "proof.submitted", "proof.verified", "settlement.started", "settlement.completed",
        ]  # fmt: skip
        assert (await employer.balance(), await worker.balance()) == (START - HOLD, START + REWARD)
        assert await other.balance() == START
