"""A life of a task by the command line alone, and what can be read of it afterwards."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from kinds.bolt11 import decode
from tests.bot.cli.conftest import Cli, House, Ran, end, started


class Person:
    def __init__(self, cli: Cli, house: House, key: Path) -> None:
        self._cli = cli
        self._who = ("client", "--relay", house.relay, "--bot", house.bot, "--key", key)
        self.ask("--new-key", "help")

    def ask(self, *words: object) -> Ran:
        return self._cli(*self._who, *words)

    def done(self, *words: object) -> Ran:
        ran = self.ask(*words)
        assert ran.code == 0, ran.out + ran.err
        return ran


@pytest.fixture
def employer(cli: Cli, house: House, tmp_path: Path) -> Person:
    return Person(cli, house, tmp_path / "employer.key")


@pytest.fixture
def worker(cli: Cli, house: House, tmp_path: Path) -> Person:
    return Person(cli, house, tmp_path / "worker.key")


def test_a_life(cli: Cli, house: House, employer: Person, worker: Person, tmp_path: Path) -> None:
    data = ("--data", house.data)
    terms = ("--description", "All of it.", "--term", "on_reject=revise", "--term", "review_window=2d")
    offered = employer.done("task", "--title", "Mow the lawn", "--amount", 5000, "--deadline", "2d", *terms, "--json")
    task = offered.json()["task"]

    funded = employer.done("fund", task, "--json").json()
    assert (funded["code"], funded["amount_msat"]) == ("invoice", 5_050_000)
    again = employer.done("fund", task)
    assert f"lightning:{funded['invoice']}".upper() in again.out.upper()
    assert "█" in again.out  # the QR code
    paid = cli("simnet", "pay", f"lightning:{funded['invoice'].upper()}", *data)
    assert (paid.code, paid.out) == (
        0,
        "5,050 sats are on their way and held there: the wallet shows them as pending\n",
    )
    until_funded(cli, house, task)

    assert worker.ask("fund", task).code == 1
    worker.done("claim", task, "--signed")
    invoice = cli("simnet", "invoice", 5000, *data).out.strip()
    assert decode(invoice).amount == 5_000_000
    worker.done("payout", task, invoice)
    work = tmp_path / "lawn.txt"
    work.write_text("short")
    worker.done("proof", task, "--url", "https://e.org/lawn", "--file", work, "--notes", "done")
    refused = worker.ask("approve", task)
    assert (refused.code, refused.err) == (1, "")
    assert "employer" in refused.out
    employer.done("reject", task, "the edges are", "not cut", "--signed")
    worker.done("submit", task, "https://e.org/lawn2", hashlib.sha256(b"shorter").hexdigest(), "now", "done")
    approved = employer.done("approve", task, "--signed", "--json").json()
    assert approved["code"] == "approval_noted"

    entries = _until_paid(cli, house, task)
    kinds = [entry["type"] for entry in entries]
    assert kinds[:5] == ["task.created", "invoice.created", "invoice.accepted", "task.claimed", "proof.submitted"]
    assert kinds[-2:] == ["settlement.started", "settlement.completed"]
    worker.done("--nip04", "status", task)
    assert "Mow the lawn" in employer.done("letters").out
    _is_readable(cli, house, task, tmp_path)


def _is_readable(cli: Cli, house: House, task: str, tmp_path: Path) -> None:
    """Everything that reads, beside the running daemon."""
    data = ("--data", house.data)
    assert "Mow the lawn" in cli("tasks", *data).out
    listed = [json.loads(line) for line in cli("tasks", "--json", *data).out.splitlines()]
    assert {"task": task, "state": "Paid"}.items() <= next(row for row in listed if row["task"] == task).items()
    assert "Paid" in cli("show", task, *data).out
    shown = cli("show", task[:6], "--json", *data).json()
    assert (shown["task"], shown["reward_msat"]) == (task, 5_000_000)
    assert "task.created" in cli("log", task, *data).out
    balances = cli("simnet", "wallet", "--json", *data).json()["balances_msat"]
    assert {"employer", "worker"} <= balances.keys()
    assert "worker" in cli("simnet", "wallet", *data).out
    assert cli("simnet", "mine", 2, *data).out.startswith("the height is ")

    exported = tmp_path / "log.jsonl"
    exported.write_text(cli("export", task, *data).out)
    assert cli("verify", task, "--file", exported, "--bot", house.bot).code == 0
    verdict = cli("verify", "--relay", house.relay, task, "--json").json()
    assert (verdict["ok"], verdict["tasks"][0]["payout"]) == (True, "attested")
    broken = exported.read_text().replace("Mow the lawn", "Mow the dawn")
    exported.write_text(broken)
    assert cli("verify", task, "--file", exported, "--bot", house.bot).code == 1


def _log(cli: Cli, house: House, task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cli("log", task, "--json", "--data", house.data).out.splitlines()]


def until_funded(cli: Cli, house: House, task: str) -> None:
    _until(cli, house, task, "Funded")


def _until_paid(cli: Cli, house: House, task: str) -> list[dict[str, Any]]:
    return _until(cli, house, task, "Paid")


def _until(cli: Cli, house: House, task: str, state: str) -> list[dict[str, Any]]:
    """Reads the log until its newest entry has this state; each look takes some milliseconds."""
    for _ in range(2000):
        entries = _log(cli, house, task)
        if entries[-1]["state"] == state:
            return entries
    raise AssertionError(f"{task} did not become {state}")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("client", "fnd", "x"), 2, "No such command 'fnd'. Did you mean 'fund'?"),
        (("client", "status", "7qk2m0x9t4h1z"), 2, "check for a typing error"),
        (("client", "claim"), 2, "he task's id is missing"),
        (("client", "help", "--signed"), 2, "cannot be signed"),
        (
            ("client", "vote", "7qk2m", "split", "-5"),
            1,
            "The command vote: planned, but not built yet. Nothing was done.",
        ),
        (("client", "task", "--title", "x", "--amount", "-5", "--deadline", "2d"), 2, "above zero"),
        (("client", "task", "--title", "x", "--amount", "5", "--deadline", "2d"), 1, "100 sats"),
        (("client", "task", "--title", "x", "--amount", "1e3", "--deadline", "2d"), 2, "whole number"),
        (
            ("client", "task", "--title", "x", "--amount", "5", "--currency", "XXX", "--deadline", "2d"),
            2,
            "code of a currency",
        ),
        (
            ("client", "task", "--title", "x", "--amount", "0.05", "--currency", "USD", "--deadline", "2d"),
            1,
            r"100 sats",
        ),
        (("client", "task", "--title", "x", "--amount", "500", "--deadline", "soon"), 2, "deadline"),
        (("client", "task", "--title", "x", "--amount", "500", "--deadline", "2d", "--term", "x"), 2, "NAME=VALUE"),
        (("client", "proof", "7qk2m", "--url", "https://e.org"), 2, "--file"),
        (("client", "approve", "7qk2m", "--signed"), 1, "no log of a task 7qk2m"),
        (("client", "approve", "7qk2m"), 1, "7qk2m"),
    ],
)
def test_refusals_and_wrong_usage(
    cli: Cli,
    house: House,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.client.public._LAG", 0.05)
    common = ("--relay", house.relay, "--bot", house.bot, "--key", tmp_path / "key", "--new-key")
    ran = cli(words[0], *common, *words[1:])
    assert ran.code == code, ran
    assert said in ran.out + ran.err


def test_who_does_not_answer_is_said(cli: Cli, house: House, tmp_path: Path) -> None:
    key = ("--key", tmp_path / "key", "--new-key", "--wait", 0.3)
    nobody = "npub1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqsutk78q"
    ran = cli("client", "--relay", "ws://127.0.0.1:9", "--bot", house.bot, *key, "help")
    assert (ran.code, ran.err.splitlines()[-1]) == (1, "holdfast: no relay answers at ws://127.0.0.1:9")
    ran = cli("client", "--relay", house.relay, "--bot", house.ready["pubkey"][:-2], *key, "help")
    assert (ran.code, "no public key" in ran.err) == (2, True)
    ran = cli("client", "--relay", "http://x", "--bot", house.bot, *key, "help")
    assert (ran.code, "wss://" in ran.err) == (2, True)
    ran = cli("client", "--relay", house.relay, "--bot", nobody, *key, "help")
    assert ran.code in (1, 2)
    assert ran.err.splitlines()[-1].startswith("holdfast: ")


def test_a_key_that_others_can_read_is_refused(cli: Cli, house: House, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("11" * 32)
    key.chmod(0o644)
    ran = cli("client", "--relay", house.relay, "--bot", house.bot, "--key", key, "help")
    assert (ran.code, "chmod 600" in ran.err, "1111" in ran.err) == (2, True, False)
    ran = cli("client", "--relay", house.relay, "--bot", house.bot, "--key", tmp_path / "none", "help")
    assert (ran.code, "cannot be read" in ran.err) == (2, True)


def test_simnet_says_what_cannot_be_done(cli: Cli, house: House, tmp_path: Path) -> None:
    data = ("--data", house.data)
    ran = cli("simnet", "pay", "lnplay1nonsense", *data)
    assert ran.code == 1
    assert ran.err.startswith("holdfast: the simulated node says: ")
    assert cli("simnet", "invoice", 0, *data).code == 2
    assert cli("simnet", "invoice", 5, "--wallet", "Ä", *data).code == 1
    ran = cli("simnet", "wallet", "--data", tmp_path)
    assert (ran.code, "is `holdfast run` running" in ran.err) == (1, True)
    made = cli("simnet", "invoice", 10_000_000_000, "--wallet", "rich", *data).out.strip()
    poor = cli("simnet", "pay", made, "--wallet", "poor", *data)
    assert (poor.code, poor.out) == (1, "the payment failed: no_balance; nothing was spent\n")


def test_a_network_without_wallets_says_how_to_get_one(cli: Cli, tmp_path: Path) -> None:
    house = started(tmp_path / "data")
    try:
        data = ("--data", house.data)
        ran = cli("simnet", "wallet", *data)
        assert (ran.code, ran.out.count("\n")) == (0, 1)
        assert "no wallets yet" in ran.out
        assert "holdfast simnet pay" in ran.out
        assert cli("simnet", "wallet", "--json", *data).json() == {"balances_msat": {}}
        cli("simnet", "invoice", 5, *data)
        assert "worker" in cli("simnet", "wallet", *data).out
    finally:
        end(house.process)
