"""Starting, ending and setting up."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli.starter import config_text
from bot.config import Settings
from bot.keys import read_key
from storage.open import engine_for, migrate
from tests.bot.cli.conftest import Cli, House, end, start

ROOT = Path(__file__).parents[3]


@pytest.fixture
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ready_is_one_line_that_says_everything(house: House) -> None:
    assert house.ready.keys() == {"ready", "npub", "pubkey", "relays", "network", "closed"}
    assert house.ready["closed"] is None
    assert (house.ready["ready"], house.ready["network"]) == (True, "simnet")
    assert house.relay.startswith("ws://127.0.0.1:")


def test_for_people_it_says_play_money_and_ends_when_told_even_twice(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    said = ""
    while "send that npub" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    code, out, err = end(process)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert "PLAY MONEY" in said
    relay = re.search(r"ws://127\.0\.0\.1:\d+", said)
    npub = re.search(r"npub1\w+", said)
    assert relay
    assert npub
    assert f"holdfast client --relay {relay[0]} --bot {npub[0]} --key me.key --new-key help" in said


@pytest.mark.usefixtures("_signals_as_before")
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["for people", "for programs"])
def test_a_second_daemon_is_refused_before_it_says_anything(cli: Cli, house: House, form: list[str]) -> None:
    ran = cli("run", "--data", house.data, *form)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("holdfast: another daemon is running on ")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("_signals_as_before")
def test_a_taken_port_is_one_sentence(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("HOLDFAST__RELAYS__EMBEDDED_PORT", str(taken.getsockname()[1]))
        ran = cli("run", "--data", tmp_path, "--json")
    assert (ran.code, ran.out) == (1, "")
    assert "is taken" in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[daemon]\nnmae = 'x'\n", "daemon.nmae: there is no such setting; known here: data, name"),
        ("[terms]\nmargin = 5\n", "terms.margin"),
        ("[node]\nkind = 'lnd'\n", "lnd.tls_cert"),
        (
            "[terms]\nmin_reward_sat = 500\nmax_reward_sat = 400\n",
            "terms: max_reward_sat is 500 (min_reward_sat) or more",
        ),
        ("= x", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("HOLDFAST__RELAYS__EMBEDDED_PORT", "0")
    config = tmp_path / "c.toml"
    config.write_text(text)
    ran = cli("run", "--config", config, "--data", tmp_path)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert not list(tmp_path.glob("*.db"))


def test_terms_under_which_no_task_would_fit_into_a_hold_are_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST__RELAYS__EMBEDDED_PORT", "0")
    monkeypatch.setenv("HOLDFAST__TERMS__HOLD_CLTV", "500")
    ran = cli("run", "--data", tmp_path)
    assert ran.code == 2
    assert "terms.hold_cltv: a hold of 500 blocks leaves no time for work" in ran.err


def test_a_variable_that_cannot_be_read_is_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST__RELAYS__URLS", "wss://relay.example")
    ran = cli("run", "--data", tmp_path)
    assert ran.code == 2
    assert 'field "relays"' in ran.err
    assert '["wss://relay.example"]' in ran.err
    assert "daemon" not in ran.err, "what has nothing to do with it is not shown"


def test_a_database_that_cannot_be_used_is_one_sentence(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a newer version, which stays as it is; and one that is none."""
    monkeypatch.setenv("HOLDFAST__RELAYS__EMBEDDED_PORT", "0")
    path = tmp_path / "holdfast.db"
    engine = engine_for(path)
    migrate(engine)
    with engine.begin() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    before = path.read_bytes()
    ran = cli("run", "--data", tmp_path)
    assert (ran.code, "made by a newer version of holdfast" in ran.err) == (1, True), ran.err
    assert path.read_bytes() == before
    path.write_bytes(b"this is no database" * 100)
    ran = cli("run", "--data", tmp_path)
    assert (ran.code, "file is not a database" in ran.err) == (1, True), ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_missing_settings_file_is_said(cli: Cli, tmp_path: Path) -> None:
    ran = cli("run", "--config", tmp_path / "none.toml")
    assert (ran.code, "cannot be read" in ran.err) == (2, True)


def test_init_writes_a_config_and_a_private_key_once(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    ran = cli("init", "--dir", folder)
    assert (ran.code, ran.err) == (0, "")
    key = folder / "data" / "nostr.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert read_key(key).reveal() not in ran.out
    assert (folder / "config.toml").read_text() == config_text()
    before = key.read_bytes()
    again = cli("init", "--dir", folder)
    assert (again.code, "left as it is" in again.err) == (1, True)
    (folder / "config.toml").unlink()
    assert "kept" in cli("init", "--dir", folder).out
    assert key.read_bytes() == before


def test_the_example_config_is_in_step_with_the_settings() -> None:
    assert (ROOT / "config.toml").read_text() == config_text(), "make it anew: holdfast init, or config_text()"


def test_the_example_config_holds_every_default() -> None:
    active = re.sub(r"^#(?=\w+ = )", "", config_text(), flags=re.MULTILINE)
    said = tomllib.loads(active)
    assert Settings.model_validate(said) == Settings()
    for name, section in Settings():
        assert said[name].keys() == dict(section).keys()
    assert tomllib.loads(config_text()) == {name: {} for name, _ in Settings()}


def test_reading_commands_say_what_is_missing(cli: Cli, house: House, tmp_path: Path) -> None:
    for command in (("tasks",), ("export",), ("fees",), ("show", "7qk2m"), ("log", "7qk2m")):
        ran = cli(*command, "--data", tmp_path)
        assert (ran.code, "there is no database" in ran.err) == (1, True)
    assert cli("show", "7qk2m0", "--data", house.data).err == "holdfast: there is no task 7qk2m0 here\n"
    assert cli("show", "???", "--data", house.data).code == 2
    (tmp_path / "holdfast.db").write_text("this is no database, but long enough to be taken for one" * 20)
    ran = cli("tasks", "--data", tmp_path)
    assert (ran.code, "cannot be read" in ran.err) == (1, True)


def test_verify_says_what_it_needs(cli: Cli, tmp_path: Path) -> None:
    assert cli("verify").code == 2
    (tmp_path / "x").write_text("")
    assert cli("verify", "--file", tmp_path / "x").code == 2
    assert cli("verify", "--relay", "ws://127.0.0.1:9").code == 1
    assert cli("verify", "--relay", "ws://127.0.0.1:9", "--bot", "nonsense").code == 2


def test_no_words_show_the_help(cli: Cli) -> None:
    ran = cli()
    assert ran.code == 2
    for name in ("run", "demo", "init", "client", "simnet", "verify", "tasks", "show", "log", "export", "fees"):
        assert f"\n  {name} " in ran.out + ran.err


def test_the_demo_plays_three_lives_whatever_the_environment_says() -> None:
    """The settings of the operator's own daemon stand there: they must not turn a play into an affair of money."""
    command = [sys.executable, "-c", "from bot.cli import main; main()", "demo", "--json"]
    real = {"NODE__KIND": "lnd", "NODE__NETWORK": "bitcoin", "RELAYS__URLS": '["ws://127.0.0.1:9"]'}
    env = os.environ | {f"HOLDFAST__{name}": value for name, value in real.items()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=env)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"result": "ok", "lives": 3, "verified": True}
    assert all(line.keys() == {"life", "step", "state", "task"} for line in lines[:-1])
    ends = {line["life"]: line["state"] for line in lines[:-1]}
    assert ends == {1: "Paid", 2: "Refunded", 3: "Paid"}
    assert "Disputed" in {line["state"] for line in lines[:-1] if line["life"] == 3}


def test_the_demo_plays_a_project_of_four_milestones() -> None:
    """20,000 rupees at the play rate of 8,000,000 a bitcoin, one delivery refused."""
    command = [sys.executable, "-c", "from bot.cli import main; main()", "demo", "project", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == {"result": "ok", "milestones": 4, "paid_msat": 250_000_000, "deposit_msat": 0, "verified": True}
    steps = [line["step"] for line in lines[:-1]]
    assert (steps.count("released"), steps.count("reject"), steps.count("submit"), steps.count("receipt")) == (
        4,
        1,
        5,
        2,
    )


def test_the_doctor_tells_by_its_exit_code(cli: Cli, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a running daemon."""
    monkeypatch.setenv("HOLDFAST__RELAYS__URLS", json.dumps([house.relay]))
    ran = cli("doctor", "--data", house.data, "--json")
    assert ran.code == 0, ran.out
    assert ran.json()["ok"] is True
    told = cli("doctor", "--data", house.data)
    assert "Nothing puts money at risk." in told.out
    monkeypatch.setenv("HOLDFAST__RELAYS__URLS", json.dumps(["ws://127.0.0.1:9"]))
    ran = cli("doctor", "--data", house.data, "--json")
    assert (ran.code, ran.json()["ok"]) == (1, False)
