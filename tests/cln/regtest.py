"""Real nodes: bitcoind and three lightningd (payer, we, payee) on regtest, on loopback, on free ports. What was started is stopped.

    payer ====== we ====== payee          one channel each of 16 million sats, half on either side

We and the payee run the plugin: the payee's holds are how a payout is kept in flight.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from pyln.client import LightningRpc

from bot.nodes.cln.launcher import install
from bot.nodes.cln.wire import PLUGIN

NEEDED = ("bitcoind", "bitcoin-cli", "lightningd")
CAPACITY = 16_000_000  # sats
PATIENCE = 120.0
Row = dict[str, Any]


def missing() -> list[str]:
    """The programs that are not on the path."""
    return [name for name in NEEDED if shutil.which(name) is None]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, test: Callable[[], bool], seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(Exception):
            if test():
                return
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s for: {what}")


class Bitcoind:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        # Knots finds a claim of an HTLC heavier than lightningd does, and would not take it for lightningd's least fee.
        fees = ["-fallbackfee=0.00001", "-minrelaytxfee=0.000001", "-blockmintxfee=0.000001"]
        options = ["-regtest", "-server", "-listen=0", "-txindex", *fees, f"-rpcport={self.port}"]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["bitcoind", f"-datadir={folder}", *options], stdout=self._log, stderr=self._log
        )
        wait_for("bitcoind", lambda: bool(self.cli("getblockchaininfo")))
        self.cli("createwallet", "miner")
        self.address = str(self.cli("getnewaddress"))
        self.mine(101)

    def cli(self, *arguments: str) -> Any:
        said = subprocess.run(
            ["bitcoin-cli", "-regtest", f"-datadir={self.folder}", f"-rpcport={self.port}", *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        return json.loads(said) if said.startswith(("{", "[")) else said

    def mine(self, blocks: int) -> None:
        self.cli("generatetoaddress", str(blocks), self.address)

    def height(self) -> int:
        return int(self.cli("getblockcount"))

    def mempool(self) -> set[str]:
        return set(self.cli("getrawmempool"))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


class Lightningd:
    def __init__(self, folder: Path, bitcoind: Bitcoind, plugin: Path | None) -> None:
        self._port = free_port()
        self._socket_folder = folder
        self._command = [
            "lightningd",
            f"--lightning-dir={folder}",
            "--network=regtest",
            f"--bitcoin-datadir={bitcoind.folder}",
            f"--bitcoin-rpcport={bitcoind.port}",
            f"--addr=127.0.0.1:{self._port}",
            f"--log-file={folder / 'log'}",
            "--disable-dns",
            "--max-concurrent-htlcs=483",
            "--developer",
            "--dev-bitcoind-poll=1",
            "--dev-fast-gossip",
            "--allow-deprecated-apis=true",
            *([f"--important-plugin={plugin}"] if plugin else []),
        ]
        folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder / "regtest" / "lightning-rpc"
        self.start()
        self.id = str(self.rpc.call("getinfo")["id"])

    @property
    def rpc(self) -> LightningRpc:
        return LightningRpc(str(self.socket))

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("lightningd", lambda: bool(self.rpc.call("getinfo")))

    def stop(self) -> None:
        if self._process is not None and self.runs:
            with suppress(Exception):
                self.rpc.call("stop")
            self._process.wait(60)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        channels = self._children("lightning_channeld")
        self._process.kill()
        self._process.wait(60)
        for each in channels:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)  # one that is frozen does not notice

    def freeze_channels(self) -> None:
        """Nothing moves on them any more."""
        for each in self._children("lightning_channeld"):
            os.kill(each, signal.SIGSTOP)

    def _children(self, name: str) -> list[int]:
        assert self._process is not None
        main = Path(f"/proc/{self._process.pid}")
        children = (main / "task" / main.name / "children").read_text().split()
        return [int(each) for each in children if name in Path(f"/proc/{each}/cmdline").read_text()]

    def kill_plugin(self) -> None:
        """kill -9 of the plugin; lightningd ends, since it is an important one."""
        assert self._process is not None
        [plugin] = self._children(PLUGIN)
        os.kill(plugin, signal.SIGKILL)
        self._process.wait(60)

    def balance(self) -> int:
        """What is ours in all channels, in msat."""
        return sum(int(channel["to_us_msat"]) for channel in self.channels())

    def coins(self) -> int:
        """Confirmed on the chain, in msat."""
        outputs = self.rpc.call("listfunds")["outputs"]
        return sum(int(each["amount_msat"]) for each in outputs if each["status"] == "confirmed")

    def credits(self, payment_hash: str) -> list[int]:
        """What came in by this hash on the chain, in msat."""
        moves = self.rpc.call("listchainmoves")["chainmoves"]
        return [int(move["credit_msat"]) for move in moves if move.get("payment_hash") == payment_hash]

    def connect(self, other: Lightningd) -> None:
        self.rpc.call("connect", {"id": other.id, "host": "127.0.0.1", "port": other._port})

    def height(self) -> int:
        return int(self.rpc.call("getinfo")["blockheight"])

    def channels(self) -> list[Row]:
        found: list[Row] = self.rpc.call("listpeerchannels")["channels"]
        return found

    def channel(self, other: Lightningd) -> Row:
        [found] = self.rpc.call("listpeerchannels", {"id": other.id})["channels"]
        return dict(found)

    def usable(self, other: Lightningd) -> bool:
        channel = self.channel(other)
        return channel["state"] == "CHANNELD_NORMAL" and bool(channel.get("reestablished", channel["peer_connected"]))


class Regtest:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plugin = plugin = install(folder / "plugins", sys.executable)
        self._hermits: list[Lightningd] = []
        self.bitcoind = Bitcoind(folder / "bitcoin")
        self.payer = Lightningd(folder / "payer", self.bitcoind, None)
        self.us = Lightningd(folder / "us", self.bitcoind, plugin)
        self.payee = Lightningd(folder / "payee", self.bitcoind, plugin)
        for opener, other in ((self.payer, self.us), (self.us, self.payee)):
            self._open(opener, other)
        self.synced()

    def hermit(self) -> Lightningd:
        """One more node with the plugin: its only channel is a private one with us."""
        hermit = Lightningd(self._folder / f"hermit{len(self._hermits)}", self.bitcoind, self._plugin)
        self._hermits.append(hermit)
        self._open(self.us, hermit, announce=False)
        wait_for("the terms of the channel", lambda: bool(hermit.rpc.call("listincoming")["incoming"]))
        self.synced()
        return hermit

    def _open(self, opener: Lightningd, other: Lightningd, announce: bool = True) -> None:
        address = opener.rpc.call("newaddr", {"addresstype": "p2tr"})["p2tr"]
        self.bitcoind.cli("sendtoaddress", str(address), "1")
        self.bitcoind.mine(1)
        wait_for("coins", lambda: opener.coins() > CAPACITY * 1000)
        opener.connect(other)
        opener.rpc.call(
            "fundchannel", {"id": other.id, "amount": CAPACITY, "push_msat": CAPACITY * 500, "announce": announce}
        )
        self.bitcoind.mine(6)
        wait_for("a channel", lambda: opener.usable(other) and other.usable(opener))

    @property
    def nodes(self) -> tuple[Lightningd, ...]:
        return self.payer, self.us, self.payee, *self._hermits

    def synced(self) -> None:
        height = self.bitcoind.height()
        wait_for("a block", lambda: all(node.height() == height for node in self.nodes if node.runs))

    def mine(self, blocks: int) -> None:
        self.bitcoind.mine(blocks)
        self.synced()

    def at_rest(self) -> None:
        """Nothing is in flight any more."""
        for node in self.nodes:
            wait_for("rest", lambda node=node: not any(c["htlcs"] for c in node.channels()))  # type: ignore[misc]

    def restart(self) -> None:
        """Our node ends cleanly and starts again; its peers come back to it."""
        self.us.stop()
        self.us.start()
        self.together()

    def together(self) -> None:
        for peer in (self.payer, self.payee):
            with suppress(Exception):
                self.us.connect(peer)
            wait_for("a peer", lambda peer=peer: self.us.usable(peer) and peer.usable(self.us))  # type: ignore[misc]
        self.synced()

    def close(self) -> None:
        for node in self.nodes:
            with suppress(Exception):
                node.stop()
        self.bitcoind.close()


@contextmanager
def town() -> Iterator[Regtest]:
    folder = Path(tempfile.mkdtemp(prefix="cln"))  # a socket's path is short
    started: Regtest | None = None
    try:
        started = Regtest(folder)
        yield started
    finally:
        if started is not None:
            started.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Once:
    """The nodes of this run of tests, started by the first one that needs them."""

    def __init__(self) -> None:
        self._open: AbstractContextManager[Regtest] | None = None
        self._nodes: Regtest | None = None

    def nodes(self) -> Regtest:
        if self._nodes is None:
            self._open = town()
            self._nodes = self._open.__enter__()
        return self._nodes

    def close(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = self._nodes = None


ONCE = _Once()
