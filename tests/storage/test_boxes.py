"""The inbox, where everything comes in once, and the outbox, from where it goes out until somebody has it."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from kinds.events import Event, Unsigned
from kinds.inputs import Now
from kinds.units import Pubkey
from storage import house, inbox, outbox
from storage.inbox import NewInput
from storage.open import InUse, engine_for, exclusive, migrate
from storage.schema import events
from tests.handlers.life import BOT, EMPLOYER, POLICY, WORKER

NOW = Now(1000, 5, "00" * 32, 0, "ee" * 32)


def heard(n: int, kind: int = 78) -> Event:
    return Event.parse(
        {
            "id": f"{n:064x}",
            "pubkey": EMPLOYER,
            "created_at": n,
            "kind": kind,
            "tags": [],
            "content": "",
            "sig": "0" * 128,
        }
    )


def test_an_event_is_heard_once(engine: Engine) -> None:
    with engine.begin() as tx:
        assert [event.id for event in inbox.hear(tx, [(heard(1), "a", False), (heard(2), "a", True)], NOW)] == [
            heard(1).id, heard(2).id,
        ]  # fmt: skip
        assert inbox.hear(tx, [(heard(1), "b", False), (heard(2), "b", True)], NOW) == []
        assert [row.event.id for row in inbox.sealed_waiting(tx, 10)] == [heard(2).id]
        inbox.mark_opened(tx, [heard(2).id], readable=True)
        assert inbox.sealed_waiting(tx, 10) == []
        assert inbox.hear(tx, [(heard(2), "c", True)], NOW) == []
        assert inbox.known_events(tx, [78], 2) == [(2, heard(2).id)]


def test_an_input_is_processed_once_and_in_order(engine: Engine) -> None:
    with engine.begin() as tx:
        for key in ("b", "a", "b", "c", "a"):
            inbox.add(tx, NewInput(key, "tick", "{}", "task"), NOW, "policy")
        rows = inbox.waiting(tx, 10)
        assert [row.key for row in rows] == ["b", "a", "c"]
        assert rows[0].now == NOW
        assert not inbox.add(tx, NewInput("a", "tick", "{}", "other"), NOW, "policy")
        inbox.finish(tx, rows[0].n, "done")
        inbox.finish(tx, rows[1].n, "refused", "wrong_state")
        assert [row.key for row in inbox.waiting(tx, 10)] == ["c"]
        assert not inbox.add(tx, NewInput("b", "tick", "{}"), NOW, "policy"), "not even when it is done"
        assert inbox.result_of(tx, "a") == ("refused", "wrong_state")
        assert inbox.result_of(tx, "z") is None
        assert inbox.count_new(tx) == 1


def test_what_was_stuck_gets_another_try_in_its_place(engine: Engine) -> None:
    with engine.begin() as tx:
        for key in "abc":
            inbox.add(tx, NewInput(key, "tick", "{}", f"task {key}"), NOW, "policy")
        stuck = inbox.waiting(tx, 2)[1]
        inbox.finish(tx, stuck.n, "stuck", "Broken", "task b")
        assert [row.key for row in inbox.waiting(tx, 10)] == ["a", "c"]
        assert inbox.revive_stuck(tx) == ["task b"]
        assert [row.key for row in inbox.waiting(tx, 10)] == ["a", "b", "c"]


def event(n: int, kind: int = 78, d: str = "") -> Unsigned:
    return Unsigned(Pubkey(BOT), n, kind, (("d", d),), f"event {n}")


def test_only_the_newest_of_an_address_is_sent(engine: Engine) -> None:
    with engine.begin() as tx:
        outbox.publish(tx, event(1, 30078), "state:x")
        (first,) = outbox.parcels(tx, 0, 10)
        outbox.record_acks(tx, first.n, ["a"], True, 1, 0)
        outbox.publish(tx, event(2, 30078), "state:x")
        outbox.publish(tx, event(3, 30078), "state:x")
        outbox.publish(tx, event(4, 30078), "state:y")
        outbox.publish(tx, event(5))
        outbox.publish(tx, event(6))
        assert [parcel.unsigned().created_at for parcel in outbox.parcels(tx, 0, 10)] == [3, 4, 5, 6]
        states = {row.created_at: row.state for row in tx.execute(select(events))}
        assert (states[1], states[2]) == ("superseded", "superseded")
        outbox.record_acks(tx, 2, ["a"], True, 1, 0)  # the answer for one that is superseded by now
        assert tx.execute(select(events.c.state).where(events.c.n == 2)).scalar() == "superseded"


def test_addressable_events_never_share_a_second(engine: Engine) -> None:
    with engine.begin() as tx:
        stamps = [house.publish_addressable(tx, event(100, 30078, "terms")).created_at for _ in range(3)]
        assert stamps == [100, 101, 102]
        assert house.publish_addressable(tx, event(500, 30078, "terms")).created_at == 500
        assert house.publish_addressable(tx, event(100, 30078, "other")).created_at == 100


def test_signed_bytes_are_kept_once(engine: Engine) -> None:
    with engine.begin() as tx:
        outbox.publish(tx, event(1))
        (parcel,) = outbox.parcels(tx, 0, 10)
        assert not parcel.signed
        outbox.store_signed(tx, [(parcel.n, '{"sig":"first"}')])
        outbox.store_signed(tx, [(parcel.n, '{"sig":"second"}')])
        outbox.store_signed(tx, [])
        (again,) = outbox.parcels(tx, 0, 10)
        assert (again.signed, again.body) == (True, '{"sig":"first"}')


def test_an_event_waits_until_every_relay_has_it(engine: Engine) -> None:
    with engine.begin() as tx:
        outbox.publish(tx, event(1))
        (parcel,) = outbox.parcels(tx, 0, 10)
        outbox.record_acks(tx, parcel.n, ["ws://a"], False, 1, 50)
        assert outbox.parcels(tx, 49, 10) == []
        (parcel,) = outbox.parcels(tx, 50, 10)
        assert (parcel.acked, parcel.tries) == (frozenset({"ws://a"}), 1)
        outbox.record_acks(tx, parcel.n, ["ws://a", "ws://b"], True, 2, 0)
        assert outbox.parcels(tx, 999, 10) == []
        assert outbox.lost_by(tx, "ws://a", [parcel.id, "unknown"]) == 1
        (parcel,) = outbox.parcels(tx, 999, 10)
        assert parcel.acked == frozenset({"ws://b"})
        assert outbox.parcels(tx, 999, 10, skip=[parcel.n]) == []


def letter(engine: Engine, to: str, text: str, source: str = "s") -> None:
    with engine.begin() as tx:
        outbox.write_letter(
            tx, source=source, task=None, to=Pubkey(to), channel="nip17", relay="", created_at=1, reply_to="", text=text,
        )  # fmt: skip


def test_letters_go_in_order_for_each_person(engine: Engine) -> None:
    for to, words in ((EMPLOYER, "one"), (EMPLOYER, "two"), (WORKER, "three")):
        letter(engine, to, words, words)
    with engine.begin() as tx:
        first, other = outbox.pending_letters(tx, 0, 10)
        assert (first.text, other.text) == ("one", "three")
        assert [each.text for each in outbox.pending_letters(tx, 0, 10, skip=[EMPLOYER])] == ["three"]
        outbox.letter_sent(tx, first.n, False, 1, 100)
        assert [each.text for each in outbox.pending_letters(tx, 0, 10)] == ["three"], "nobody is overtaken by himself"
        outbox.letter_sent(tx, first.n, True, 2, 0)
        assert [each.text for each in outbox.pending_letters(tx, 0, 10)] == ["two", "three"]


def test_the_same_message_twice_is_answered_with_the_same_answer(engine: Engine) -> None:
    letter(engine, EMPLOYER, "answer", "rumor")
    letter(engine, WORKER, "notice", "rumor")
    with engine.begin() as tx:
        for found in outbox.pending_letters(tx, 0, 10):
            outbox.letter_sent(tx, found.n, True, 1, 0)
        assert outbox.answer_again(tx, "rumor", EMPLOYER, 0) == 1
        assert [each.text for each in outbox.pending_letters(tx, 0, 10)] == ["answer"]
        assert outbox.answer_again(tx, "another", EMPLOYER, 0) == 0


def test_the_daemons_own_chain_has_no_gap(engine: Engine) -> None:
    with engine.begin() as tx:
        ids = [house.add_checkpoint(tx, BOT, "start", NOW, {"n": n}) for n in range(3)]
        tags = [{tag[0]: tag[1] for tag in parcel.unsigned().tags} for parcel in outbox.parcels(tx, 0, 10)]
    assert [tag["seq"] for tag in tags] == ["1", "2", "3"]
    assert [tag.get("prev") for tag in tags] == [None, *ids[:2]]


def test_the_same_incident_is_recorded_once(engine: Engine) -> None:
    with engine.begin() as tx:
        assert house.incident(tx, NOW, "loss", "task", {"n": 1})
        assert not house.incident(tx, NOW, "loss", "task", {"n": 1})
        assert house.incident(tx, NOW, "loss", "task", {"n": 2})
        assert house.incident(tx, NOW, "loss", None, {"n": 1})
        assert not house.incident(tx, NOW, "loss", None, {"n": 1})


def test_a_policy_is_read_as_it_was(engine: Engine) -> None:
    with engine.begin() as tx:
        name = house.remember_policy(tx, POLICY, 1)
        assert house.remember_policy(tx, POLICY, 2) == name
        assert house.policy_by_id(tx, name) == POLICY


def test_a_file_outlives_its_daemon_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.db"
    engine = engine_for(path)
    migrate(engine)
    with engine.begin() as tx:
        house.put(tx, "key", "value")
        assert tx.exec_driver_sql("pragma journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("pragma synchronous").scalar() == 2
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    engine.dispose()
    again = engine_for(path)
    migrate(again)
    with again.begin() as tx:
        assert house.get(tx, "key") == "value"
    again.dispose()


def _hold(folder: Path, ready: object, leave: object) -> None:
    with exclusive(folder):
        ready.set()  # type: ignore[attr-defined]
        leave.wait(10)  # type: ignore[attr-defined]


def test_one_daemon_per_data_directory(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with exclusive(folder):
        with pytest.raises(InUse, match="another daemon"), exclusive(folder):
            pass
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with exclusive(folder):
        pass


def test_a_killed_daemon_leaves_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, ready, leave))
    other.start()
    assert ready.wait(20)
    with pytest.raises(InUse), exclusive(tmp_path):
        pass
    other.kill()
    other.join()
    with exclusive(tmp_path):
        pass
