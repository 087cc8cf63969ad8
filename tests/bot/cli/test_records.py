"""Receipts on paper, the book-keeper's export and the audit log, from the command line."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bot.cli.sheets import as_csv, cell
from tests.bot.cli.conftest import Cli, House
from tests.bot.cli.test_life import Person, _until_paid, until_funded

TITLE = '=HYPERLINK("x","<b>Paint</b>")'


@pytest.fixture(scope="module")
def sold() -> dict[str, str]:
    """The task that is paid once for all of these tests."""
    return {}


@pytest.fixture
def task(cli: Cli, house: House, employer: Person, worker: Person, sold: dict[str, str]) -> str:
    if "task" not in sold:
        words = ("task", "--title", TITLE, "--amount", 5000, "--deadline", "2d", "--json")
        task = sold["task"] = str(employer.done(*words).json()["task"])
        invoice = employer.done("fund", task, "--json").json()["invoice"]
        cli("simnet", "pay", invoice, "--data", house.data)
        until_funded(cli, house, task)
        worker.done("claim", task, cli("simnet", "invoice", 5000, "--data", house.data).out.strip())
        worker.done("submit", task, "https://e.org/x", hashlib.sha256(b"x").hexdigest())
        employer.done("approve", task)
        _until_paid(cli, house, task)
    return sold["task"]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def employer(cli: Cli, house: House, keys: Path) -> Person:
    return Person(cli, house, keys / "employer.key")


@pytest.fixture
def worker(cli: Cli, house: House, keys: Path) -> Person:
    return Person(cli, house, keys / "worker.key")


def test_a_receipt_for_printing(cli: Cli, house: House, employer: Person, worker: Person, task: str) -> None:
    data = ("--data", house.data)
    for person, role in ((employer, "employer"), (worker, "worker")):
        answer = person.done("receipt", task, "--json").json()
        [proof] = [each["preimage"] for each in answer["transactions"] if each["preimage"]]
        his = person.done("receipt", task, "--html")
        ours = cli("receipt", task[:7], "--for", role, "--html", *data)
        for page in (his.out, ours.out):
            assert page.startswith("<!doctype html>")
            assert page.endswith("</html>\n")
            assert proof in page
            assert "<b>" not in page
            assert "&lt;b&gt;Paint" in page
        assert cli("receipt", task, "--for", role, "--json", *data).json()["transactions"] == answer["transactions"]
        assert f"Receipt for the {role}" in cli("receipt", task, "--for", role, *data).out
        assert f"Receipt for the {role}" in person.done("receipt", task).out


def test_a_receipt_that_nobody_can_have(cli: Cli, house: House, employer: Person, worker: Person, task: str) -> None:
    data = ("--data", house.data)
    words = ("task", "--title", "Nothing yet", "--amount", 5000, "--deadline", "2d", "--json")
    fresh = employer.done(*words).json()["task"]
    refused = cli("receipt", fresh, *data)
    assert (refused.code, refused.out) == (1, "")
    assert "nothing to receipt" in refused.err
    assert "has no worker" in cli("receipt", fresh, "--for", "worker", *data).err
    for person, whose in ((employer, fresh), (worker, fresh)):
        ran = person.ask("receipt", whose, "--html")
        assert ran.code == 1
        assert "<html" not in ran.out
    assert cli("receipt", task, "--html", "--json", *data).code == 2
    assert employer.ask("receipt", task, "--html", "--json").code == 2
    assert cli("receipt", "0000000000000", *data).code == 1


def exported(cli: Cli, house: House, *words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in cli("export", *words, "--json", "--data", house.data).out.splitlines()]


def test_the_book_keepers_export(cli: Cli, house: House, task: str) -> None:
    data = ("--data", house.data)
    rows = exported(cli, house, task)
    found = {row["type"]: row for row in rows}
    assert sorted(found) == ["FULL_PAYMENT", "INSURANCE", "UPFRONT_ESCROW"]
    whole = found["FULL_PAYMENT"]["amount_msat"] + found["FULL_PAYMENT"]["fee_msat"] + found["INSURANCE"]["amount_msat"]
    assert whole == found["UPFRONT_ESCROW"]["amount_msat"] == 5_050_000
    assert found["FULL_PAYMENT"]["released"].endswith("Z")
    assert not [row for row in rows if "preimage" in row]
    assert [row for row in exported(cli, house) if row["task"] == task] == rows
    table = cli("export", task, "--csv", *data).out
    read = list(csv.DictReader(io.StringIO(table)))
    assert [row["id"] for row in read] == [row["id"] for row in rows]
    assert [row["amount_msat"] for row in read] == [str(row["amount_msat"]) for row in rows]
    assert {row["title"] for row in read} == {f"'{TITLE}"}
    day = rows[0]["created"][:10]
    assert exported(cli, house, task, "--from", day, "--to", max(row["released"] or day for row in rows)[:10]) == rows
    assert exported(cli, house, task, "--to", "2020-01-01") == []
    assert exported(cli, house, "--from", "2099-01-01") == []
    for wrong in (
        ("--csv", "--json"), ("--csv", "--from", "yesterday"), ("--from", "2026-01-01"), ("--json", "--from", "2026-01-02", "--to", "2026-01-01"),
    ):  # fmt: skip
        ran = cli("export", *wrong, *data)
        assert (ran.code, ran.out) == (2, "")


def test_the_audit_log(cli: Cli, house: House, task: str) -> None:
    data = ("--data", house.data)
    cli("freeze", task, *data)
    acts = list(csv.DictReader(io.StringIO(cli("audit", "--csv", *data).out)))
    assert {"who": "cli", "what": f"freeze {task}", "result": "wrong_state"}.items() <= acts[-1].items()
    rows = [json.loads(line) for line in cli("audit", "--inputs", "--last", 100_000, "--json", *data).out.splitlines()]
    own = [row for row in rows if row["task"] == task]
    said = [row["what"] for row in own if row["sort"] in ("dm", "event") and row["what"] != "receipt"]
    assert said == ["offer", "fund", "claim", "submit", "approve"]
    assert {"hold_made", "hold_seen", "pay_wanted", "payment_seen", "freeze"} <= {row["what"] for row in own}
    assert {"state": "refused", "result": "wrong_state"}.items() <= next(
        row for row in own if row["what"] == "freeze"
    ).items()
    table = cli("audit", "--inputs", "--csv", *data).out
    everything = table + json.dumps(rows)
    for secret in ("lnplay", "https://e.org/x", "HYPERLINK"):
        assert secret not in everything, "what people wrote stays private"
    assert [row["n"] for row in rows] == sorted(row["n"] for row in rows)
    assert "done" in cli("audit", "--inputs", *data).out
    assert cli("audit", "--json", "--to", "2020-01-01", *data).out == ""
    assert cli("audit", "--json", "--csv", *data).code == 2


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r\n=1", "＝1", "\u202e=1", "|calc", "\u200b@x"]
)
def test_no_text_becomes_a_formula(text: str) -> None:
    shown = cell(text)
    assert shown.startswith("'")
    assert "\n" not in shown


def test_numbers_and_harmless_text_stay_as_they_are() -> None:
    assert [cell(value) for value in (7, -7, None, "Paint", "a=b", "", "a-b")] == [
        7,
        -7,
        None,
        "Paint",
        "a=b",
        "",
        "a-b",
    ]
    assert as_csv(("a", "b"), [{"a": 'say "x", y', "b": None}]) == 'a,b\n"say ""x"", y",\n'
