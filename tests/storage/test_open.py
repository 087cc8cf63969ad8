"""Which tasks are listed as open for a claim: those that hire, whether or not there is money yet, and each only as long as it does."""

from __future__ import annotations

from sqlalchemy import text

from kinds.lightning import HoldStatus
from storage import reads
from storage.open import engine_for, migrate
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, STRANGER, WORKER
from tests.storage.memory import KeptLife, kept


def is_listed(life: KeptLife) -> bool:
    with life.engine.begin() as tx:
        return [task.id for task in reads.claimable(tx)] == [life.task.id]


def test_a_draft_that_hires_first_is_open_until_somebody_is_bound() -> None:
    life = kept(builders.draft, order="hire_first", claim="pick")
    found = [is_listed(life)]
    for step in (
        lambda: life.claim(),
        lambda: life.say(EMPLOYER, life.command("hire", npub=WORKER)),
        lambda: life.say(WORKER, life.command("abandon")),
        lambda: life.claim(STRANGER),
        lambda: life.say(EMPLOYER, life.command("hire", npub=STRANGER)),
        lambda: (life.fund(), life.make()),
        lambda: life.see(HoldStatus.HELD),
        lambda: life.say(STRANGER, life.command("abandon")),
        lambda: life.cancel(EMPLOYER),
    ):
        step()
        found.append(is_listed(life))
    assert found == [True, True, False, True, True, False, False, False, True, False]


def test_a_draft_without_money_is_not() -> None:
    assert [
        is_listed(kept(start)) for start in (builders.draft, builders.pending, builders.funded, builders.claimed)
    ] == [
        False,
        False,
        True,
        False,
    ]


def test_the_list_is_read_by_its_index() -> None:
    engine = engine_for(None)
    migrate(engine)
    with engine.begin() as tx:
        plan = tx.execute(
            text("explain query plan select document from tasks where open = 1 order by state_at desc limit 20")
        ).all()
    assert len(plan) == 1, "no sorting"
    assert "tasks_open" in plan[0][-1]


DOCUMENT = '{"payouts": []}'  # of a task as it was kept then, as far as migrations look into it


def test_what_was_open_before_is_so_after_the_migration() -> None:
    engine = engine_for(None)
    migrate(engine, "0004")
    row = (
        "insert into tasks (id, address, pinned, root, employer, state, phase, version, seq, head, state_at, document)"
    )
    with engine.begin() as tx:
        for state in ("Draft", "Funded", "Claimed"):
            tx.execute(text(f"insert into allowed values ('', '{state}')"))
        for name, state, phase in (
            ("a", "Draft", ""),
            ("b", "Funded", ""),
            ("c", "Funded", "refunding"),
            ("d", "Claimed", ""),
        ):
            tx.execute(
                text(
                    f"{row} values ('{name}', '{name}', '{name}', 'r', 'e', '{state}', '{phase}', 1, 1, 'h', 1, '{DOCUMENT}')"
                )
            )
    migrate(engine)
    with engine.begin() as tx:
        assert tx.execute(text("select id from tasks where open = 1")).scalars().all() == ["b"]
    engine.dispose()
