"""What relays do to a daemon: each hazard of the field notes, and two incidents of others (Mostro #874 and #892)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bot.relays.client import Want
from bot.relays.dial import MAX_FRAME
from bot.relays.values import Drop, NoAnswer, Refused
from tests.bot.relays.fakes import NOTE, T0, FakeRelay, Owner, frame, make_events, new_signer, until


def dropped(owner: Owner, url: str, reason: Drop) -> int:
    return owner.relays.status()[url].dropped.get(reason, 0)


async def test_stored_and_live_events_arrive_once_and_before_the_marker() -> None:
    events = await make_events(new_signer(), 20)
    fake = FakeRelay(events[:10])
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running() as relays:
            await owner.caught_up()
            mark, stored_before = owner.marks[0]
            assert (mark.relay, mark.want, mark.at, stored_before) == (url, "notes", owner.now, 10)
            for event in events[10:]:
                await fake.push(event)
            await owner.stores(events)
            assert len(owner.heard) == 20
            status = relays.status()[url]
            assert status.hearing
            assert status.since == owner.now
            assert status.open_wants == ("notes",)
            assert status.negentropy is None


async def test_pages_backwards_through_more_than_a_relay_gives_at_once() -> None:
    """2,000 events, a limit of 500, several to a second so that page borders cut through seconds."""
    signer = new_signer()
    events = [event for k in range(4) for event in await make_events(signer, 500, kind=NOTE, start=T0 + k % 2, step=2)]
    events = list({event.id: event for event in events}.values())
    more = await make_events(new_signer(), 1500, step=0, start=T0 - 5)
    fake = FakeRelay(events + more[:499])
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            assert owner.marks[0][1] == len(fake.events)
            assert owner.stored.keys() == fake.events.keys()


async def test_a_relay_that_counts_queries_is_asked_again_where_it_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.relays.catchup.ASK_AGAIN_FIRST", 0.01)
    events = await make_events(new_signer(), 600)
    fake = FakeRelay(events)
    fake.limit, fake.rate_limit = 50, 3
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            assert owner.marks[0][1] == 600
            assert len(fake.reqs("ask")) < 30
            assert len(fake.reqs("notes")) == 1


async def test_a_second_with_more_events_than_a_page_is_noticed_and_does_not_hide_older_ones() -> None:
    signer = new_signer()
    crowd, old = await make_events(signer, 40, step=0), await make_events(signer, 5, start=T0 - 50)
    fake = FakeRelay(crowd + old)
    fake.limit = 25
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            assert {event.id for event in old} <= owner.stored.keys()
            assert dropped(owner, url, Drop.CROWDED) == 1


async def test_nip77_finds_what_pages_cannot(relay_url: str) -> None:
    signer = new_signer()
    crowd = await make_events(signer, 1200, step=0)
    async with Owner([relay_url]).running() as relays:
        await until(lambda: relays.status()[relay_url].speaking, "connected")
        acks = await asyncio.gather(*(relays.publish(relay_url, each.as_json(), each.id, 30) for each in crowd))
        assert all(ack.accepted for ack in acks)
    owner = Owner([relay_url])
    owner.stored = {event.id: event for event in crowd[:300]}
    owner.relays = Owner([relay_url], have=owner.have).relays
    async with owner.running() as relays:
        await owner.caught_up()
        assert owner.stored.keys() == {event.id for event in crowd}
        assert len(owner.heard) <= 901  # what we had was not sent again, but for the newest one by the live REQ
        assert relays.status()[relay_url].negentropy is True


@pytest.mark.parametrize("answer", ["notice", "closed", "nothing", "neg-err", "garbage", "liar"])
async def test_without_nip77_it_pages(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.relays.catchup.TALK_WAIT", 0.1)
    events = await make_events(new_signer(), 600)
    fake = FakeRelay(events)
    frames: dict[str, Any] = {
        "notice": ["NOTICE", "ERROR: bad msg: unknown cmd"],
        "closed": ["CLOSED", "{}", "unsupported: NIP-77"],
        "neg-err": ["NEG-ERR", "{}", "blocked: too many"],
        "garbage": ["NEG-MSG", "{}", "61ff"],
        "liar": ["NEG-MSG", "{}", "6100000201" + "ab" * 32],  # claims an event that it never serves
    }
    fake.negentropy_answer = lambda sub_id: (
        None if answer == "nothing" else json.dumps(frames[answer]).replace("{}", sub_id)
    )
    async with fake.running() as url:
        owner = Owner([url])
        owner.relays = Owner([url], have=owner.have).relays
        async with owner.running():
            await owner.caught_up()
            assert owner.stored.keys() == fake.events.keys()


async def test_closed_right_after_req_never_leaves_us_deaf() -> None:
    """Mostro #874."""
    events = await make_events(new_signer(), 4)
    fake = FakeRelay(events[:3])
    fake.close_reqs = 3
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            await fake.push(events[3])
            await owner.stores(events)
            assert owner.connects() == 1


async def test_closed_later_is_reopened_and_the_gap_filled() -> None:
    events = await make_events(new_signer(), 4)
    fake = FakeRelay(events[:2])
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            connection, subscriptions = fake.listener
            sub_id = next(iter(subscriptions))
            subscriptions.clear()
            await connection.send(json.dumps(["CLOSED", sub_id, "error: restarting"]))
            await fake.push(events[2])  # nobody listens
            await owner.stores(events[:3])
            await until(lambda: len(fake.reqs("notes")) == 2, "a second REQ")
            await owner.caught_up(2)
            await fake.push(events[3])
            await owner.stores(events)


async def test_closed_after_eose_backs_off() -> None:
    events = await make_events(new_signer(), 2)
    fake = FakeRelay(events)
    fake.close_after_eose = True
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up(3)
            assert 3 <= len(fake.reqs("notes")) <= 4
            assert owner.connects() == 1


async def test_one_want_refused_for_ever_does_not_hold_up_the_other() -> None:
    events = await make_events(new_signer(), 3)
    fake = FakeRelay(events)
    fake.close_wants = "letters"
    wants = [
        Want("letters", lambda since: [{"kinds": [4], "since": since}]),
        Want("notes", lambda since: [{"kinds": [NOTE], "since": since}]),
    ]
    async with fake.running() as url:
        owner = Owner([url], wants=wants)
        async with owner.running() as relays:
            await owner.caught_up()
            await until(lambda: len(fake.reqs("letters")) >= 3, "it is asked for again and again")
            assert {mark.want for mark, _ in owner.marks} == {"notes"}
            assert relays.status()[url].open_wants == ("notes",)
            assert "letters" in relays.status()[url].trouble


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("demand", ["auth-required: who are you", "ERROR: auth-required: who are you"])
async def test_auth_is_given_when_asked_for(demand: str, late: bool) -> None:
    signer = new_signer()
    events = await make_events(new_signer(), 3)
    fake = FakeRelay(events[:2])
    fake.auth_demand, fake.late_challenge = demand, late
    async with fake.running() as url:
        owner = Owner([url], signer=signer)
        async with owner.running() as relays:
            await owner.caught_up()
            assert (await relays.publish(url, events[2].as_json(), events[2].id)).accepted
            await owner.stores(events)
            assert len([said for said in fake.heard if said[0] == "AUTH"]) == 2  # once per connection


async def test_publish_alone_authenticates_and_sends_again() -> None:
    signer = new_signer()
    event = (await make_events(signer, 1))[0]
    fake = FakeRelay()
    async with fake.running() as url:
        owner = Owner([url], signer=signer)
        async with owner.running() as relays:
            await owner.caught_up()
            fake.auth_demand = "auth-required: to write"
            await fake.say('["AUTH","challenge-1"]', to_all=True)
            assert (await relays.publish(url, event.as_json(), event.id)).accepted
            assert event.id in fake.events


async def test_without_a_signer_auth_is_a_refusal() -> None:
    fake = FakeRelay()
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running() as relays:
            await owner.caught_up()
            fake.auth_demand = "auth-required: to write"
            event = (await make_events(new_signer(), 1))[0]
            ack = await relays.publish(url, event.as_json(), event.id)
            assert (ack.accepted, ack.message) == (False, "auth-required: to write")
            with pytest.raises(Refused, match="auth-required"):
                await relays.fetch(url, [{"kinds": [NOTE]}])


def _forged(event: dict[str, Any]) -> list[dict[str, Any]]:
    bad_sig = {**event, "sig": event["sig"][:-2] + ("00" if event["sig"][-2:] != "00" else "11")}
    return [
        bad_sig,
        {**event, "content": "pay mallory"},  # the same id and signature, altered
        {**event, "tags": [["p", "ab" * 32]]},
        {**event, "created_at": event["created_at"] + 1},
        {**event, "pubkey": "cd" * 32},
        {**event, "sig": "zz" * 64},
        {**event, "sig": event["sig"].upper()},
        {**event, "id": event["id"][:-1] + ("0" if event["id"][-1] != "0" else "1")},
    ]


async def test_forged_copies_before_and_after_never_censor_the_genuine_event() -> None:
    """Mostro #892: a forged copy with the same id came first. Here also after, and from another relay that we trust alike."""
    events = await make_events(new_signer(), 5)
    honest, liar = FakeRelay(events), FakeRelay(events)
    liar.twist = lambda _, sub_id, event: [frame(sub_id, each) for each in (*_forged(event), event, *_forged(event))]
    async with honest.running() as good_url, liar.running() as bad_url:
        owner = Owner([bad_url, good_url])
        async with owner.running():
            await owner.caught_up(2)
            assert owner.stored == {event.id: event for event in events}
            assert all(heard.event == owner.stored[heard.event.id] for heard in owner.heard)
            assert dropped(owner, bad_url, Drop.FORGED) >= 5 * 10
            assert dropped(owner, good_url, Drop.FORGED) == 0
            assert dropped(owner, bad_url, Drop.MALFORMED) >= 5 * 4


async def test_a_relay_with_forged_copies_only_does_not_censor_another() -> None:
    events = await make_events(new_signer(), 3)
    honest, liar = FakeRelay(), FakeRelay(events)
    liar.twist = lambda _, sub_id, event: [frame(sub_id, each) for each in _forged(event)]
    async with honest.running() as good_url, liar.running() as bad_url:
        owner = Owner([bad_url, good_url])
        async with owner.running():
            await owner.caught_up(2)
            assert not owner.stored
            for event in events:
                await honest.push(event)
            await owner.stores(events)


async def test_noise_of_all_kinds_is_counted_and_survived() -> None:
    events = await make_events(new_signer(), 2)
    other = (await make_events(new_signer(), 1, kind=1))[0]
    fake = FakeRelay(events[:1])
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            sub_id = next(iter(fake.listener[1]))
            noise: list[str | bytes] = [
                "",
                "nonsense",
                "{}",
                "[]",
                '["EVENT"]',
                '["EVENT",1,{}]',
                "[" * 100_000,
                '["EVENT","' + sub_id + '",' + "[" * 50_000 + "]" * 50_000 + "]",
                b"\xff\xfe\x00binary",
                '["OK"]',
                '["OK","x","yes",""]',
                '["CLOSED","nobody","?"]',
                '["EOSE","nobody"]',
                '["AUTH",7]',
                '["AUTH","' + "x" * 5000 + '"]',
                '["NOTICE"]',
                '["NOTICE",{"a":1}]',
                '["NOTICE",' + "[" * 900 + "]" * 900 + "]",
                '["CLOSED","' + "[" * 900 + '"]',
                '["NEG-MSG","nobody","61"]',
                '["COUNT","x",{"count":1}]',
                json.dumps(["EVENT", sub_id, None]),
                json.dumps(["EVENT", sub_id, {"id": 1}]),
                json.dumps(["EVENT", sub_id, {**events[1].as_dict(), "created_at": 1e400}]),
                json.dumps(["EVENT", sub_id, {**events[1].as_dict(), "kind": True}]),
                json.dumps(["EVENT", sub_id, {**events[1].as_dict(), "content": "\ud800"}]),
                '["EVENT","' + sub_id + '",{"created_at":' + "9" * 5000 + "}]",
                frame("nobody", events[1].as_dict()),
                frame(sub_id, other.as_dict()),
            ]
            for each in noise:
                await fake.say(each)
            await fake.push(events[1])
            await owner.stores(events)
            assert owner.stored.keys() == {event.id for event in events}
            assert owner.connects() == 1
            assert dropped(owner, url, Drop.UNKNOWN_SUBSCRIPTION) == 1
            assert dropped(owner, url, Drop.UNWANTED) == 1
            assert dropped(owner, url, Drop.MALFORMED) >= 10
            assert dropped(owner, url, Drop.UNKNOWN_MESSAGE) >= 6


@pytest.mark.parametrize("where", ["live", "stored"])
async def test_an_oversized_message_is_survived_also_when_it_is_stored(where: str) -> None:
    """A stored giant comes again with each page: the limit grows on reconnecting, so that it is swallowed unread."""
    events = await make_events(new_signer(), 6)
    fake = FakeRelay(events)
    giant = '["EVENT","x",{"content":"' + "x" * (MAX_FRAME + 10) + '"}]'
    if where == "stored":
        fake.twist = lambda _, sub_id, event: [giant, frame(sub_id, event)]
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            if where == "live":
                await owner.caught_up()
                await fake.say(giant)
                await until(lambda: owner.connects() == 2, "a new connection")
            await owner.caught_up()
            await owner.stores(events)
            assert dropped(owner, url, Drop.OVERSIZED) >= 1
            assert owner.connects() == 2


async def test_a_relay_that_drops_duplicates_and_reorders() -> None:
    """What one relay drops live, the repeated catch-up or another relay brings; duplicates come out once per connection."""
    events = await make_events(new_signer(), 30)
    lossy, other = FakeRelay(), FakeRelay()
    dropping = True

    def twist(served: int, sub_id: str, event: dict[str, Any]) -> list[str]:
        return [] if dropping and served % 3 == 0 else [frame(sub_id, event)] * 2

    lossy.twist = twist
    async with lossy.running() as url, other.running() as other_url:
        owner = Owner([url], repeat_catch_up=0.2)
        two = Owner([url, other_url])
        async with owner.running(), two.running():
            await owner.caught_up()
            await two.caught_up(2)
            for event in reversed(events):
                await lossy.push(event)
                await other.push(event)
            await two.stores(events)
            dropping = False
            await owner.stores(events)
            assert len(owner.heard) == 30
            assert dropped(owner, url, Drop.DUPLICATE) >= 20


async def test_a_socket_cut_in_the_middle_of_catching_up_loses_nothing() -> None:
    events = await make_events(new_signer(), 1200)
    fake = FakeRelay(events)
    fake.cut_after = 700
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await owner.caught_up()
            assert owner.marks[0][1] == 1200
            assert owner.connects() == 2


async def test_a_mute_relay_is_kicked_back_to_life() -> None:
    events = await make_events(new_signer(), 3)
    fake = FakeRelay(events[:1])
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running() as relays:
            await owner.caught_up()
            for subscriptions in fake.connections.values():
                subscriptions.clear()  # it has forgotten us, and answers pings
            await fake.push(events[1])
            began = asyncio.get_running_loop().time()
            relays.kick(url)
            await owner.stores(events[:2])
            assert asyncio.get_running_loop().time() - began < 2
            await owner.caught_up(2)
            await fake.push(events[2])
            await owner.stores(events)


async def test_a_relay_that_never_answers_a_req_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.relays.session.ANSWER_WAIT", 0.2)
    events = await make_events(new_signer(), 2)
    fake = FakeRelay(events)
    fake.mute = True
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running():
            await until(lambda: owner.connects() >= 2, "a new connection")
            fake.mute = False
            await owner.stores(events)


async def test_a_dead_socket_is_found_by_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.relays.session.PING_EVERY", 0.1)
    monkeypatch.setattr("bot.relays.session.PING_WAIT", 0.2)
    gone = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes bytes to the relay until `gone`, then swallows them like a dead network."""
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", int(fake.url.rsplit(":", 1)[1]))

        async def pipe(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                if not gone.is_set():
                    target.write(data)

        pipes = [asyncio.create_task(pipe(reader, up_writer)), asyncio.create_task(pipe(up_reader, writer))]
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for each in pipes:
            each.cancel()
        writer.close()
        up_writer.close()

    fake = FakeRelay(await make_events(new_signer(), 1))
    async with fake.running():
        middle = await asyncio.start_server(swallow, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{middle.sockets[0].getsockname()[1]}"
        owner = Owner([url])
        async with owner.running() as relays:
            await owner.caught_up()
            gone.set()
            await until(lambda: "ping" in relays.status()[url].trouble, "the dead socket is noticed")
            gone.clear()
            await owner.caught_up(2)
        middle.close()


async def test_a_slow_daemon_slows_the_relay_down_and_is_not_taken_for_a_dead_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.relays.session.PING_EVERY", 0.1)
    monkeypatch.setattr("bot.relays.session.PING_WAIT", 0.1)
    monkeypatch.setattr("bot.relays.session.ANSWER_WAIT", 0.1)
    monkeypatch.setattr("bot.relays.client.INTRAY_ROOM", 20)
    events = await make_events(new_signer(), 2000)
    fake = FakeRelay(events)
    async with fake.running() as url:
        owner = Owner([url])
        owner.awake.clear()
        async with owner.running():
            await until(lambda: owner.relays._intray.full(), "the intray is full")
            loop = asyncio.get_running_loop()
            over = loop.time() + 0.6  # several ping and answer timeouts
            await until(lambda: loop.time() > over, "time passes")
            assert owner.relays._intray.qsize() <= 20
            owner.awake.set()
            await owner.caught_up()
            assert len(owner.stored) == 2000
            assert owner.connects() == 1


async def test_what_a_relay_drops_while_we_kept_it_waiting_is_fetched_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """LocalRelay skips live events for a reader that is 1,024 behind, and says nothing."""
    monkeypatch.setattr("bot.relays.client.INTRAY_ROOM", 5)
    monkeypatch.setattr("bot.relays.ear.LOOK_EVERY", 0.05)
    monkeypatch.setattr("bot.relays.ear.SOON", 0.0)
    events = await make_events(new_signer(), 60)
    fake = FakeRelay()
    async with fake.running() as url:
        owner = Owner([url], repeat_catch_up=3600)
        async with owner.running():
            await owner.caught_up()
            owner.awake.clear()
            for event in events[:40]:
                await fake.push(event)
            fake.events |= {event.id: event for event in events[40:]}  # stored, and never sent live
            await until(lambda: owner.relays._intray.full(), "the intray is full")
            owner.awake.set()
            await owner.stores(events)


async def test_publishing_goes_on_while_the_intray_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.relays.client.INTRAY_ROOM", 5)
    events = await make_events(new_signer(), 3000)
    fake = FakeRelay(events[:-1])
    async with fake.running() as url:
        owner = Owner([url])
        owner.awake.clear()
        async with owner.running() as relays:
            await until(lambda: owner.relays._intray.full(), "the intray is full")
            await owner.speaks()
            assert (await relays.publish(url, events[-1].as_json(), events[-1].id)).accepted
            assert await relays.fetch(url, [{"ids": [events[-1].id]}]) == [events[-1]]
            owner.awake.set()
            await owner.stores(events)


async def test_publish_answers() -> None:
    events = await make_events(new_signer(), 5)
    fake = FakeRelay()
    async with fake.running() as url:
        owner = Owner([url])
        assert (await owner.relays.publish(url, events[0].as_json(), events[0].id)).message == "not connected"
        async with owner.running() as relays:
            await owner.caught_up()
            fake.ok = lambda event_id: ["OK", event_id, False, "blocked: not you"]
            ack = await relays.publish(url, events[0].as_json(), events[0].id)
            assert (ack.accepted, ack.message) == (False, "blocked: not you")
            fake.ok = lambda event_id: ["OK", event_id, False, "duplicate: have it"]
            assert (await relays.publish(url, events[1].as_json(), events[1].id)).accepted is True
            fake.ok = lambda event_id: None
            ack = await relays.publish(url, events[2].as_json(), events[2].id, 0.05)
            assert (ack.accepted, ack.message) == (None, "no answer in time")
            waiting = asyncio.create_task(relays.publish(url, events[3].as_json(), events[3].id, 30))
            await until(lambda: fake.heard[-1][0] == "EVENT" and fake.heard[-1][1]["id"] == events[3].id, "it is sent")
            relays.kick(url)
            ack = await asyncio.wait_for(waiting, 2)
            assert (ack.accepted, ack.message) == (None, "connection lost")
        assert (await owner.relays.publish(url, events[0].as_json(), events[0].id)).message == "not connected"


async def test_one_silent_event_holds_up_no_other() -> None:
    events = await make_events(new_signer(), 200)
    fake = FakeRelay()
    fake.ok = lambda event_id: None if event_id == events[0].id else ["OK", event_id, True, ""]
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running() as relays:
            await owner.caught_up()
            silent = asyncio.create_task(relays.publish(url, events[0].as_json(), events[0].id, 30))
            acks = await asyncio.gather(*(relays.publish(url, each.as_json(), each.id, 5) for each in events[1:]))
            assert all(ack.accepted for ack in acks)
            assert not silent.done()
            silent.cancel()


async def test_a_relay_wiped_clean_is_seen_by_fetch() -> None:
    events = await make_events(new_signer(), 700)
    ids = [event.id for event in events]
    fake = FakeRelay(events)
    async with fake.running() as url:
        owner = Owner([url])
        async with owner.running() as relays:
            await owner.caught_up()
            assert {event.id for event in await relays.fetch(url, [{"ids": ids}])} == set(ids)
            fake.wipe()
            assert await relays.fetch(url, [{"ids": ids}]) == []
            fake.mute = True
            with pytest.raises(NoAnswer):
                await relays.fetch(url, [{"ids": ids}], 0.1)
            fake.mute = False
            fake.events = {event.id: event for event in events}
            assert len(await relays.fetch(url, [{"ids": ids}])) == 700
        with pytest.raises(NoAnswer):
            await owner.relays.fetch(url, [{"ids": ids}])


async def test_one_relay_down_does_not_hold_up_the_other() -> None:
    events = await make_events(new_signer(), 3)
    fake = FakeRelay(events)
    async with fake.running() as url:
        owner = Owner(["ws://127.0.0.1:1", url])
        async with owner.running() as relays:
            await owner.stores(events)
            assert relays.status()["ws://127.0.0.1:1"].hearing is False
            assert relays.status()["ws://127.0.0.1:1"].trouble


async def test_cancelled_quickly_while_connecting_paging_and_stalled() -> None:
    """`Owner.running` asserts that all ends within a second."""
    fake = FakeRelay(await make_events(new_signer(), 3000))
    fake.mute = True

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(never, "127.0.0.1", 0)
    async with fake.running() as url:
        owner = Owner([url, f"ws://127.0.0.1:{silent.sockets[0].getsockname()[1]}", "ws://127.0.0.1:1"])
        async with owner.running():
            await until(lambda: bool(fake.heard), "it asks the mute one")
        fake.mute, fake.limit = False, 10
        owner = Owner([url])
        async with owner.running():
            await until(lambda: len(owner.stored) > 50, "it pages")
    silent.close()
