"""Fetching from relays that page, lose, lie, refuse and fall silent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.verifier.forge import BOT, STRANGER, Event, Life, codes, notes, paid_life
from verifier import SourceError, check, read_jsonl, verify


@dataclass
class Relay:
    """The least of a relay: stored events by filter, newest first, never more than `most` at once."""

    events: list[Event]
    most: int = 100
    closes: bool = False
    silent: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def matches(self, event: Event, wanted: dict[str, Any]) -> bool:
        tags = [tag for tag in event["tags"] if len(tag) > 1]
        for name, values in wanted.items():
            if name.startswith("#") and not any(tag[0] == name[1:] and tag[1] in values for tag in tags):
                return False
        kinds, authors = wanted.get("kinds"), wanted.get("authors")
        ours = (not kinds or event["kind"] in kinds) and (not authors or event["pubkey"] in authors)
        return ours and event["created_at"] <= wanted.get("until", 2**60)

    async def serve(self, line: ServerConnection) -> None:
        async for text in line:
            said = json.loads(text)
            if said[0] != "REQ" or self.silent:
                continue
            _, name, wanted = said
            self.asked.append(wanted)
            if self.closes:
                await line.send(json.dumps(["CLOSED", name, "auth-required: members only"]))
                continue
            found = sorted(
                (e for e in self.events if self.matches(e, wanted)), key=lambda e: (-e["created_at"], e["id"])
            )
            for event in found[: min(self.most, wanted["limit"])]:
                await line.send(json.dumps(["EVENT", name, event]))
            await line.send(json.dumps(["EOSE", name]))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        async with serve(self.serve, "127.0.0.1", 0) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self.url


async def test_everything_is_fetched_page_by_page() -> None:
    lives = [paid_life(name=f"task {n}") for n in range(4)]
    relay = Relay([event for life in lives for event in life.events()], most=7)
    async with relay.open() as url:
        report = await verify([url], BOT.pub, page=5)
    assert report.ok, report.to_text()
    assert len(report.tasks) == 4
    assert max(len(wanted) for wanted in relay.asked) <= 5


async def test_one_task_by_its_id_and_without_the_daemons_key() -> None:
    life, other = paid_life(), paid_life(name="other")
    relay = Relay([*life.events(), *other.events()])
    async with relay.open() as url:
        whole = await verify([url], task=life.id)
        begun = await verify([url], task=life.id[:5])
    assert [verdict.task for verdict in whole.tasks] == [verdict.task for verdict in begun.tasks] == [life.id]
    assert whole.ok
    about_one = [wanted["#d"] for wanted in relay.asked if "#d" in wanted]
    assert about_one[0] == [f"holdfast-{life.id}"]  # its state first
    assert [life.id] in about_one


async def test_more_in_one_second_than_a_page_holds() -> None:
    lives = [paid_life(name=f"task {n}") for n in range(6)]
    for life in lives:
        for line in life.lines[3:6]:  # all of these in one second
            line.time = life.lines[5].time
            if "heard_at" in line.facts:
                line.facts["heard_at"] = line.time
                line.facts["review_until"] = line.time + 86400
    async with Relay([event for life in lives for event in life.events()], most=10).open() as url:
        report = await verify([url], BOT.pub)
    assert report.ok, report.to_text()


async def test_a_dead_relay_beside_a_good_one() -> None:
    life = paid_life()
    async with (
        Relay(life.events()).open() as url,
        Relay([], closes=True).open() as closed,
        Relay([], silent=True).open() as silent,
    ):
        report = await verify([url, closed, silent, "ws://127.0.0.1:9"], BOT.pub, patience=0.5)
    assert report.ok
    assert len([finding for finding in report.warnings if finding.code == "relay"]) == 3


async def test_a_relay_that_lies() -> None:
    life = paid_life()
    lies = [{**event, "content": event["content"].replace("50500000", "60500000")} for event in life.events()]
    async with Relay(life.events()).open() as honest, Relay(lies).open() as liar:
        both = await verify([liar, honest], BOT.pub)
        alone = await verify([liar], BOT.pub)
    assert both.ok
    assert "forged_copy" in notes(both)
    assert not alone.ok
    assert "bad_id" in codes(alone)


async def test_two_relays_that_each_lost_a_part() -> None:
    events = paid_life().events()
    async with Relay(events[::2]).open() as even, Relay(events[1::2]).open() as odd:
        assert (await verify([even, odd], BOT.pub)).ok
        assert not (await verify([even], BOT.pub)).ok


async def test_it_says_why_nothing_could_be_judged() -> None:
    with pytest.raises(SourceError, match="no relay answered"):
        await verify(["ws://127.0.0.1:9"], BOT.pub)
    with pytest.raises(SourceError, match="no relay was named"):
        await verify([], BOT.pub)
    foreign = Life()
    forged = [STRANGER.sign(78, event["tags"], event["content"], event["created_at"]) for event in foreign.log()]
    async with Relay([]).open() as empty, Relay([*paid_life().events(), *forged]).open() as two:
        with pytest.raises(SourceError, match="no log"):
            await verify([empty])
        with pytest.raises(SourceError, match="2 daemons"):
            await verify([two])
        assert codes(await verify([empty], BOT.pub, task="00")) == {"not_found"}


async def test_a_relay_without_manners_is_left() -> None:
    async def babble(line: ServerConnection) -> None:
        async for text in line:
            said = json.loads(text)
            if said[0] == "REQ":
                await line.send("not json")
                await line.send(json.dumps(["EVENT", "another", {}]))
                await line.send(json.dumps(["EVENT", said[1], {"created_at": "soon"}]))
                await line.send(json.dumps(["EOSE", said[1]]))

    async with serve(babble, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        report = await asyncio.wait_for(verify([url], BOT.pub), 5)
    assert codes(report) == {"malformed"}


def test_a_file(tmp_path: Path) -> None:
    life, path = paid_life(), tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(event, ensure_ascii=False) for event in life.events()) + "\n\n")
    assert check(read_jsonl(path), BOT.pub).ok
    path.write_text(path.read_text() + "{oops\n")
    assert codes(check(read_jsonl(path), BOT.pub)) == {"malformed"}
