"""The plugin's program, and the node that the settings name."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.config import BadConfig, ClnSettings, NodeSettings, Settings
from bot.nodes import opening
from bot.nodes.cln.launcher import CannotInstall, install
from bot.nodes.opening import NodeAway, first_facts, open_node
from tests.cln.double import Double


def settings_for(socket: Path) -> Settings:
    return Settings(node=NodeSettings(kind="cln"), cln=ClnSettings(rpc=socket))


def test_install_writes_a_program_that_starts_and_prints_the_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cln-plugin", "install", str(tmp_path / "plugins")])
    program = tmp_path / "plugins" / "holdfast-hold"
    assert done.exit_code == 0, done.output
    assert f"important-plugin={program}" in done.output
    assert os.access(program, os.X_OK)
    again = CliRunner().invoke(app, ["cln-plugin", "install", str(tmp_path / "plugins")])
    assert again.exit_code == 0, again.output


def test_a_program_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holdfast-hold").write_text("#!/bin/sh\n")
    with pytest.raises(CannotInstall, match="none of ours"):
        install(tmp_path, sys.executable)
    assert (tmp_path / "holdfast-hold").read_text() == "#!/bin/sh\n"


def test_a_program_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match="does not start"):
        install(tmp_path, "/nowhere/python")


def test_the_program_reads_nothing_from_where_it_lies(tmp_path: Path) -> None:
    program = install(tmp_path, sys.executable)
    (tmp_path / "bot.py").write_text("raise SystemExit('wrong')")
    said = subprocess.run([program], input=b"", capture_output=True, check=False, env={"LIGHTNINGD_PLUGIN": "1"})
    assert (said.returncode, said.stderr) == (0, b"")


async def test_the_node_of_the_settings_is_opened(double: Double) -> None:
    async with AsyncExitStack() as stack:
        node = await open_node(settings_for(double.socket), stack, double.clock)
        facts = await first_facts(node, settings_for(double.socket))
        assert (facts.network, facts.hrp, facts.height) == ("regtest", "lnbcrt", double.ledger.height)
        assert facts.block_hash == double.ledger.block_hash(facts.height)
    assert await node.facts() is None, "closed with the daemon"


async def test_a_node_without_the_plugin_is_refused_with_what_to_do(double: Double) -> None:
    double.forget_calls()
    async with AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match="holdfast cln-plugin install"):
            await open_node(settings_for(double.socket), stack, double.clock)


async def test_a_lightningd_without_a_book_of_moves_is_refused(double: Double) -> None:
    double.calls.warnings = {"version": "v25.05.1"}
    async with AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match=r"needs v25\.09"):
            await open_node(settings_for(double.socket), stack, double.clock)


async def test_a_node_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_TRIES", 1)
    async with AsyncExitStack() as stack:
        with pytest.raises(NodeAway, match=r"cln\.rpc"):
            await open_node(settings_for(tmp_path / "nowhere"), stack, lambda: 0.0)


async def test_a_node_that_has_not_caught_up_says_so(double: Double) -> None:
    double.calls.warnings = {"warning_lightningd_sync": "Still loading latest blocks from bitcoind."}
    async with AsyncExitStack() as stack:
        node = await open_node(settings_for(double.socket), stack, double.clock)
        facts = await node.facts()
        assert facts is not None
        assert not facts.synced
