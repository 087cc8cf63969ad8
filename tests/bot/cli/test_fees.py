"""`holdfast fees`, and the settings of the fee."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text as sql

from handlers.booking import Posting
from kinds.units import Msat
from storage import books
from storage.open import engine_for, migrate
from tests.bot.cli.conftest import Cli

NEW_YEAR = 1_798_761_600  # 2027-01-01 00:00 UTC


def test_totals_per_month_and_day(cli: Cli, tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "holdfast.db")
    migrate(engine)
    with engine.begin() as tx:
        for at, account, amount, why in (
            (NEW_YEAR - 1, "fees", 450_900, "fee"), (NEW_YEAR - 1, "insurance", 550_100, "insured"),
            (NEW_YEAR, "fees", 1_000, "fee"), (NEW_YEAR + 86400, "insurance", 2_000, "insured"),
            (NEW_YEAR + 5, "insurance", -50_000, "compensation"),
        ):  # fmt: skip
            books.write(tx, (Posting(account, Msat(amount), why), Posting("node", Msat(-amount))), at, "t")
    engine.dispose()
    report = cli("fees", "--data", tmp_path, "--json").json()
    assert report == {
        "days": [
            {"day": "2026-12-31", "earned_msat": 450_900, "insurance_msat": 550_100, "compensation_msat": 0},
            {"day": "2027-01-01", "earned_msat": 1_000, "insurance_msat": 0, "compensation_msat": 50_000},
            {"day": "2027-01-02", "earned_msat": 0, "insurance_msat": 2_000, "compensation_msat": 0},
        ],
        "months": [
            {"month": "2026-12", "earned_msat": 450_900, "insurance_msat": 550_100, "compensation_msat": 0},
            {"month": "2027-01", "earned_msat": 1_000, "insurance_msat": 2_000, "compensation_msat": 50_000},
        ],
        "earned_msat": 451_900,
        "insurance_balance_msat": 502_100,
    }
    shown = cli("fees", "--data", tmp_path).out
    assert "2026-12" in shown
    assert "450.900 sats" in shown
    assert "Earned in all: 451.900 sats. In the insurance account: 502.100 sats." in shown
    assert "2027-01-02" in cli("fees", "--by", "day", "--data", tmp_path).out


def test_books_without_a_line(cli: Cli, tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "holdfast.db")
    migrate(engine)
    engine.dispose()
    assert cli("fees", "--data", tmp_path).out == "Nothing was booked yet.\n"
    assert cli("fees", "--data", tmp_path, "--json").json()["months"] == []


def test_the_books_in_all(cli: Cli, tmp_path: Path) -> None:
    engine = engine_for(tmp_path / "holdfast.db")
    migrate(engine)
    with engine.begin() as tx:
        for who, amount in (("party:a", 5_000_000), ("party:b", 1_500), ("fees", 2_000), ("insurance", 1_000)):
            books.write(tx, (Posting(who, Msat(amount)), Posting("node", Msat(-amount))), 1, "t")
        moved = (Posting("party:a", Msat(-4_000_000)), Posting("moving:a", Msat(4_000_000)))
        books.write(tx, moved, 2)
    report = cli("books", "--data", tmp_path, "--json").json()
    found = {sort: (each["count"], each["amount_msat"]) for sort, each in report["accounts"].items()}
    assert found == {
        "node": (1, -5_004_500), "locked": (0, 0), "party": (2, 1_001_500), "moving": (1, 4_000_000), "fees": (1, 2_000),
        "insurance": (1, 1_000),
    }  # fmt: skip
    assert (report["trial_balance_msat"], report["differences"]) == (0, [])
    shown = cli("books", "--data", tmp_path)
    assert "people's accounts" in shown.out
    assert "Trial balance: 0 sats." in shown.out
    with engine.begin() as tx:
        tx.execute(sql("update balances set amount = amount + 1 where account = 'party:a'"))
    engine.dispose()
    wrong = cli("books", "--data", tmp_path)
    assert wrong.code == 1
    assert "party:a" in wrong.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fees]\nppm = 1.5\n", "fees.ppm"),
        ("[fees]\nppm = 600000\n", "fees.ppm"),
        ("[fees]\nbase_sat = -1\n", "fees.base_sat"),
        ("[fees]\npayer = 'both'\n", "fees.payer"),
        ("[fees]\ninsurance_percent = 101\n", "fees.insurance_percent"),
        ("[fees]\npercent = 1\n", "fees.percent: there is no such setting; known here: ppm"),
    ],
)
def test_a_wrong_fee_is_named(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(text)
    ran = cli("run", "--config", config, "--data", tmp_path)
    assert ran.code == 2
    assert said in ran.err


def test_a_fee_that_leaves_nothing_of_the_smallest_reward_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST__RELAYS__EMBEDDED_PORT", "0")
    monkeypatch.setenv("HOLDFAST__FEES__PAYER", "worker")
    monkeypatch.setenv("HOLDFAST__FEES__MINIMUM_SAT", "100")
    ran = cli("run", "--data", tmp_path)
    assert ran.code == 2
    assert "fees: of the smallest reward, 100 sats, the worker would pay 100" in ran.err
