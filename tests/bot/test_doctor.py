"""What the doctor finds, in each organ, when it is well and when it is not."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from bot.config import Daemon, NodeSettings, RelaySettings, Settings, policy_from
from bot.doctor import clock, database, examine, files, node, prices, relays
from bot.findings import Finding, Grade
from bot.keys import new_secret, write_key
from bot.relays.signer import KeySigner
from kinds.events import PROOF, RECORD
from kinds.inputs import Now
from kinds.lightning import NodeFacts
from kinds.units import EventId, Msat, Pubkey, sats
from storage import house
from storage.open import engine_for, migrate
from storage.schema import inputs
from tests.bot.relays.fakes import FakeRelay
from tests.virtual.market import KEY, Market
from tests.virtual.market import settings as priced

FACTS = NodeFacts("signet", "lntbs", "02" + "ab" * 32, 500, "00" * 32, True, sats(5_000_000), sats(5_000_000), 400)


def grades(found: list[Finding]) -> list[str]:
    return [str(each.grade) for each in found]


def settings_for(data: Path, *urls: str, **node: Any) -> Settings:
    return Settings(daemon=Daemon(data=data), relays=RelaySettings(urls=urls), node=NodeSettings(**node))


def kept(folder: Path) -> Path:
    """A data directory as the daemon makes it, with an empty database."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    write_key(data / "nostr.key", new_secret())
    engine = engine_for(data / "holdfast.db")
    migrate(engine)
    engine.dispose()
    return data


# Files


def test_a_place_before_its_first_day(tmp_path: Path) -> None:
    key, found = files.examine(settings_for(tmp_path / "data"))
    assert (key, grades(found)) == (None, ["note"])
    assert grades(database.examine(settings_for(tmp_path / "data"), 0)) == ["note"]


def test_files_that_are_well_and_open_to_others(tmp_path: Path) -> None:
    data = kept(tmp_path)
    key, found = files.examine(settings_for(data))
    assert key is not None
    assert grades(found) == ["good", "good"]
    assert key.reveal() not in str(found)
    data.chmod(0o755)
    (data / "nostr.key").chmod(0o644)
    key, found = files.examine(settings_for(data))
    assert (key, grades(found)) == (None, ["risk", "risk"])
    assert f"chmod 700 {data}" in found[0].advice
    assert "chmod 600" in found[1].what


# The database


def test_a_database_that_is_well(tmp_path: Path) -> None:
    assert grades(database.examine(settings_for(kept(tmp_path)), 0)) == ["good", "good", "good"]


def test_what_waits_for_the_operator(tmp_path: Path) -> None:
    data = kept(tmp_path)
    engine = engine_for(data / "holdfast.db")
    with engine.begin() as tx:
        house.incident(tx, Now(1_900_000_000, 1, "00" * 32, 0, ""), "hold_off_channel", None, {})
        row = {"key": "x", "sort": "event", "body": "{}", "time": 1, "height": 1, "block": "", "deaf": 0, "entropy": ""}
        tx.execute(insert(inputs).values(**row, policy="p"))
        tx.execute(update(inputs).values(state="stuck", result="KeyError"))
    engine.dispose()
    found = database.examine(settings_for(data), 0)
    assert grades(found) == ["good", "good", "risk", "note"]
    assert "1 inputs are stuck" in found[2].what
    assert "hold_off_channel (1)" in found[3].what


def test_a_database_of_another_version_and_a_damaged_one(tmp_path: Path) -> None:
    data = kept(tmp_path)
    engine = engine_for(data / "holdfast.db")
    with engine.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    found = database.examine(settings_for(data), 0)
    assert grades(found) == ["good", "risk"]
    assert "9999" in found[1].what
    (data / "holdfast.db").write_bytes(b"this is no database" * 100)
    assert grades(database.examine(settings_for(data), 0)) == ["risk"]


# The node


def judged(**changed: Any) -> dict[str, Finding]:
    sections = ("terms", "fees")
    facts = replace(FACTS, **{name: each for name, each in changed.items() if name not in sections})
    settings = Settings.model_validate({name: changed.get(name, {}) for name in sections})
    found = node.judged(facts, policy_from(settings, Pubkey("0" * 64), facts, EventId("")))
    return {each.what: each for each in found if each.grade is not Grade.GOOD}


def test_a_node_that_is_well() -> None:
    assert judged() == {}


@pytest.mark.parametrize(
    ("changed", "words", "grade"),
    [
        ({"synced": False}, "not in sync", Grade.RISK),
        ({"inbound": Msat(1)}, "inbound liquidity is", Grade.NOTE),
        ({"outbound": Msat(1)}, "outbound liquidity is", Grade.NOTE),
        ({"inbound": Msat(1_019_999_999), "fees": {"ppm": 10_000}}, "less than 1,020,000 sats", Grade.NOTE),
        ({"free_slots": 3}, "only 3 HTLC slots", Grade.NOTE),
        ({"terms": {"hold_cltv": 500}}, "leaves no time for the work (-140 blocks)", Grade.RISK),
        ({"terms": {"hold_cltv": 700}}, "leaves 60 blocks (some 10 h)", Grade.NOTE),
    ],
)
def test_a_node_that_is_not(changed: dict[str, Any], words: str, grade: Grade) -> None:
    (found,) = judged(**changed).values()
    assert words in found.what
    assert (found.grade, bool(found.advice)) == (grade, True)


# Relays


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return kept(tmp_path)


async def looked_at(data: Path, *urls: str) -> list[Finding]:
    settings = settings_for(data, *urls)
    found, _ = await relays.examine(settings, files.examine(settings)[0], time.time)
    return found


def test_a_node_that_shows_no_parts_is_asked_for_none() -> None:
    found = judged(can=frozenset(), inbound=Msat(0), free_slots=0)
    assert [each.grade for each in found.values()] == [Grade.NOTE]
    assert "not shown" in next(iter(found))


async def test_a_relay_that_is_well(data: Path) -> None:
    relay = FakeRelay()
    async with relay.running() as url:
        found = await looked_at(data, url)
    assert grades(found) == ["good", "good", "note"]
    assert "kinds 78, 30078, 1059" in found[0].what
    assert "kinds 30078, 30079, 78, 1059, 4" in found[1].what
    assert all(int(event.tag("expiration") or 0) <= time.time() + 900 for event in relay.events.values())


async def test_a_relay_that_wants_to_know_who_we_are(data: Path) -> None:
    relay = FakeRelay()
    relay.auth_demand = "auth-required: members only"
    async with relay.running() as url:
        found = await looked_at(data, url)
    assert "(after AUTH)" in found[0].what
    assert found[0].grade is Grade.GOOD


async def test_a_relay_that_refuses_people_and_one_that_forgets(data: Path) -> None:
    closed, forgetful = FakeRelay(), FakeRelay()
    settings = settings_for(data)
    key = files.examine(settings)[0]
    assert key is not None
    mine = KeySigner(key).pubkey
    closed.ok = lambda event_id: ["OK", event_id, closed.heard[-1][1]["pubkey"] == mine, "blocked: not on the list"]
    forgetful.twist = lambda served, sub_id, event: []
    async with closed.running() as first, forgetful.running() as second:
        found = await looked_at(data, first, second)
    said = " ".join(each.what for each in found)
    assert f"refuses kind {PROOF} (blocked: not on the list)" in said
    assert f"{second}, with the daemon's events: takes kind {RECORD} and does not give it back" in said


async def test_too_few_relays_are_a_risk(data: Path) -> None:
    relay = FakeRelay()
    async with relay.running() as url:
        enough = await looked_at(data, url, "ws://127.0.0.1:9")
        few = await looked_at(data, url, "ws://127.0.0.1:9", "ws://127.0.0.2:9")
    assert Grade.RISK not in [each.grade for each in enough]
    assert few[-1].grade is Grade.RISK
    assert "only 1 of 3" in few[-1].what


# The clock


@pytest.mark.parametrize(
    ("ahead", "grade"), [([], "note"), ([0.4, -0.2], "good"), ([45.0, 44.0], "note"), ([-4000.0, 1.0, -3999.0], "risk")]
)
def test_the_clock(ahead: list[float], grade: str) -> None:
    assert grades(clock.examine(ahead)) == [grade]


# All together


async def test_the_whole_house(data: Path) -> None:
    found = await examine(settings_for(data))
    assert [each.area for each in found] == ["files", "files", *["database"] * 3, "node", "relays", "clock", "prices"]
    assert "risk" not in grades(found)


async def test_a_node_that_cannot_be_asked_is_a_finding(data: Path) -> None:
    found = await node.examine(settings_for(data, kind="cln"), time.time)
    assert grades(found) == ["risk"]


# Prices


async def test_sources_that_agree_and_one_that_fails() -> None:
    market = Market()
    found = await prices.examine(priced(), 0, market)
    assert grades(found) == ["good", "good"]
    assert found[0].what == "a bitcoin costs 8,000,000 INR, by one, three, two"
    market.says["two"] = None
    found = await prices.examine(priced(), 0, market)
    assert found[-1].what == "two cannot be used (INR: no number above zero)"
    market.says = {"one": 1, "three": 2}
    found = await prices.examine(priced(), 0, market)
    assert found[0].what == "there is no rate for INR: the sources do not agree"
    assert KEY not in repr(found)


async def test_where_nobody_is_asked() -> None:
    for kind, word in (("simnet", "play"), ("lnd", "sats only")):
        [found] = await prices.examine(Settings(node=NodeSettings(kind=kind)), 0)  # type: ignore[arg-type]
        assert (str(found.grade), word in found.what) == ("good", True)
