"""Sealed work by the command line: sealed, delivered by a signed event, paid for, opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bot.cli.conftest import Cli, House
from tests.bot.cli.test_life import Person, _until_paid, until_funded


@pytest.fixture
def employer(cli: Cli, house: House, tmp_path: Path) -> Person:
    return Person(cli, house, tmp_path / "employer.key")


@pytest.fixture
def worker(cli: Cli, house: House, tmp_path: Path) -> Person:
    return Person(cli, house, tmp_path / "worker.key")


def test_a_sealed_life(cli: Cli, house: House, employer: Person, worker: Person, tmp_path: Path) -> None:
    data = ("--data", house.data)
    work = tmp_path / "logo.svg"
    work.write_text("<svg/>")
    made = cli("client", "seal", work, "--json").json()
    key, sealed = made["key"], Path(made["file"])
    assert sealed == tmp_path / "logo.svg.sealed"

    words = ("task", "--title", "Draw", "--amount", 5000, "--deadline", "2d", "--term", "sealed=accepted", "--json")
    task = employer.done(*words).json()["task"]
    cli("simnet", "pay", employer.done("fund", task, "--json").json()["invoice"], *data)
    until_funded(cli, house, task)
    worker.done("claim", task, cli("simnet", "invoice", 5000, *data).out.strip())
    link = ("--url", "https://e.org/logo.svg.sealed")
    assert worker.ask("proof", task, *link, "--file", sealed, "--key", "ff" * 3).code == 2
    public = worker.ask("submit", task, link[1], made["sha256"], f"key={key}", "--signed")
    assert public.code == 1
    assert "never goes into one" in public.err
    assert key not in public.err
    worker.done("proof", task, *link, "--file", sealed, "--key", key)
    shown = employer.done("status", task, "--json").json()
    assert (shown["proof"]["sha256"], shown["proof"]["key_hash"]) == (made["sha256"], made["key_hash"])
    assert shown["proof"]["key"] is None
    employer.done("approve", task)
    _until_paid(cli, house, task)
    got = employer.done("status", task, "--json").json()["proof"]["key"]
    assert got == key
    assert key in employer.done("letters").out
    assert key not in worker.done("letters").out
    assert key not in cli("show", task, "--json", *data).out + cli("export", task, *data).out
    assert key not in cli("audit", "--inputs", "--json", *data).out
    assert cli("verify", "--relay", house.relay, task).code == 0

    got_file = tmp_path / "got.svg"
    assert cli("client", "open", sealed, got, "--out", got_file).code == 0
    assert got_file.read_text() == "<svg/>"


def test_what_goes_wrong_is_said(cli: Cli, tmp_path: Path) -> None:
    work = tmp_path / "work.txt"
    work.write_text("work")
    shown = cli("client", "seal", work)
    assert "Keep the key to yourself" in shown.out
    sealed = tmp_path / "work.txt.sealed"
    again = cli("client", "seal", work)
    assert (again.code, again.out) == (1, "")
    assert "already" in again.err
    for words, code, said in (
        ((sealed, "ab" * 32, "--out", tmp_path / "x"), 1, "the key is another one"),
        ((sealed, "ab"), 2, "64 hex digits"),
        ((work, "ab" * 32, "--out", tmp_path / "x"), 1, "no file that was sealed"),
        ((tmp_path / "none", "ab" * 32), 1, "none"),
    ):
        ran = cli("client", "open", *words)
        assert (ran.code, ran.out) == (code, "")
        assert said in ran.err
    assert not (tmp_path / "x").exists()
    assert cli("client", "help").code == 2
    assert "--bot is missing" in cli("client", "help").err
