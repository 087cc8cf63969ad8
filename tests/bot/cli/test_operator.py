"""The operator's commands, beside a running daemon."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from bot.door import ask
from bot.hand import SOCKET
from bot.keys import npub, read_key
from bot.relays.signer import KeySigner
from tests.bot.cli.conftest import Cli, House
from tests.bot.cli.test_life import Person, until_funded


@pytest.fixture
def employer(cli: Cli, house: House, tmp_path: Path) -> Person:
    return Person(cli, house, tmp_path / "employer.key")


def offered(employer: Person) -> str:
    words = ("task", "--title", "Paint the fence", "--amount", 5000, "--deadline", "2d", "--json")
    return str(employer.done(*words).json()["task"])


def test_freeze_and_audit(cli: Cli, house: House, employer: Person) -> None:
    data = ("--data", house.data)
    task = offered(employer)
    frozen = cli("freeze", task, *data)
    assert (frozen.code, frozen.out) == (0, f"Done: freeze {task}.\n")
    again = cli("freeze", task[:6], *data)
    assert (again.code, again.out) == (1, "")
    assert "already" in again.err
    told = cli("freeze", task, "--json", *data)
    assert (told.code, told.json()["code"]) == (1, "already")
    assert employer.ask("fund", task, "--json").json()["code"] == "frozen"
    assert "Frozen" in cli("show", task, *data).out
    assert cli("unfreeze", task, "--json", *data).json()["code"] == "operated"
    employer.done("fund", task)
    assert employer.ask("freeze", task, "--json").json()["code"] == "not_operator"

    rows = [json.loads(line) for line in cli("audit", "--json", *data).out.splitlines()]
    mine = [(row["who"], row["what"], row["result"]) for row in rows if task[:6] in row["what"]]
    assert mine == [
        ("cli", f"freeze {task}", "done"),
        ("cli", f"freeze {task[:6]}", "already"),
        ("cli", f"freeze {task}", "already"),
        ("cli", f"unfreeze {task}", "done"),
    ]
    assert "this machine" in cli("audit", "--last", 1, *data).out


@pytest.mark.parametrize(
    ("words", "code"), [(("freeze", "0000000000000"), 1), (("freeze", "uuu"), 2), (("freeze",), 2)]
)
def test_what_cannot_be_meant(cli: Cli, house: House, words: tuple[str, ...], code: int) -> None:
    ran = cli(*words, "--data", house.data)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err


def test_without_a_daemon(cli: Cli, tmp_path: Path) -> None:
    ran = cli("freeze", "0000000000000", "--data", tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert "no daemon answers" in ran.err
    assert cli("audit", "--data", tmp_path).code == 1


async def test_the_door_is_the_owners_alone_and_hears_only_the_operator(house: House) -> None:
    door = house.data / SOCKET
    assert stat.S_IMODE(os.stat(door).st_mode) == 0o600
    for junk in ({}, {"say": 7}, {"say": "help", "more": 1}):
        assert "error" in await ask(door, junk)
    assert (await ask(door, {"say": '{"v":1,"action":"help"}'}))["code"] == "bad_usage"


def test_pause_and_resume(cli: Cli, house: House, employer: Person) -> None:
    data = ("--data", house.data)
    task = offered(employer)
    assert cli("pause", *data).out == "Done: pause.\n"
    try:
        assert cli("pause", "--json", *data).json()["code"] == "already"
        assert employer.ask("fund", task, "--json").json()["code"] == "paused"
        assert "Closed" in employer.done("terms").out
    finally:
        assert cli("resume", *data).out == "Done: resume.\n"
    employer.done("fund", task)


def test_ban_and_unban(cli: Cli, house: House, employer: Person, tmp_path: Path) -> None:
    data = ("--data", house.data)
    task = offered(employer)
    who = KeySigner(read_key(tmp_path / "employer.key")).pubkey
    assert cli("ban", npub(who), "--json", *data).json()["who"] == who
    assert employer.ask("fund", task, "--json").json()["code"] == "banned"
    assert cli("ban", who, *data).code == 1
    assert cli("unban", who, *data).out.startswith(f"Done: unban {npub(who)[:10]}")
    employer.done("fund", task)
    assert cli("ban", "npub1nobody", *data).code == 2


def test_compensate_needs_a_loss_on_record(cli: Cli, house: House, employer: Person) -> None:
    data = ("--data", house.data)
    task = offered(employer)
    refused = cli("compensate", task, "5k", "the hold was lost", *data)
    assert refused.code == 1
    assert f"No loss is on record in task {task}" in refused.err
    told = cli("compensate", task, "5,000", "the hold was lost", "--json", *data)
    assert (told.code, told.json()["code"]) == (1, "no_loss")
    assert cli("compensate", task, "0", "why", *data).code == 2
    assert cli("compensate", task, "5000", *data).code == 2
    assert employer.ask("compensate", task, "5000", "please", "--json").json()["code"] == "not_operator"
    last = json.loads(cli("audit", "--last", "1", "--json", *data).out)
    assert (last["what"], last["result"]) == (f"compensate {task} 5000 the hold was lost", "no_loss")


def test_holds_and_incidents(cli: Cli, house: House, employer: Person) -> None:
    data = ("--data", house.data)
    task = offered(employer)
    invoice = employer.done("fund", task, "--json").json()["invoice"]
    cli("simnet", "pay", invoice, *data)
    until_funded(cli, house, task)
    held = [json.loads(line) for line in cli("holds", "--json", *data).out.splitlines()]
    mine = next(each for each in held if each["task"] == task)
    assert (mine["amount_msat"], mine["state"], mine["goal"]) == (5_050_000, "Funded", "")
    assert mine["age"] < 60
    assert mine["last_safe_height"] == mine["expiry_height"] - 58 - 288 - 6
    assert task in cli("holds", *data).out
    for words in (("incidents",), ("incidents", "--json", "--last", 5)):
        assert cli(*words, *data).code == 0
    assert employer.ask("holds", "--json").json()["code"] == "not_operator"
    employer.done("cancel", task)
