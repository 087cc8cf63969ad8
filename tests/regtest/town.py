"""A small town of real nodes on a chain of its own: btcd, and three LND nodes with balanced channels between them.

    employer == (two channels) == escrow == (one channel) == worker

Everything listens on loopback, on free ports, and lies in one temporary folder. The town is started once for a run of tests and
stopped with it; the kernel kills what it started should the run itself be killed. Its calls block, so they come from a thread
or from where nothing else runs; processes are only started from the main thread.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.regtest import build

CAPACITY, PUSHED = 16_000_000, 8_000_000  # sats of each channel, and of that on the other side
PERMISSIONS = [
    {"entity": entity, "action": action}
    for entity, action in (
        ("info", "read"), ("invoices", "read"), ("invoices", "write"), ("offchain", "read"), ("offchain", "write"),
    )
]  # fmt: skip
_ACTIVE_FROM = 500  # blocks; segwit is active on btcd's regtest from 432 only
_PATIENCE = 90.0  # seconds for anything here
T = TypeVar("T")


class NodeError(Exception):
    """A node refused; its own words."""


def wait_for(look: Callable[[], T], what: str, within: float = _PATIENCE) -> T:
    """The first true value; a node that does not answer yet has none."""
    end = time.monotonic() + within
    while True:
        with contextlib.suppress(httpx.HTTPError, NodeError, FileNotFoundError):
            found = look()
            if found:
                return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {within:g} s in vain: {what}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


class Process:
    """One program, its output in a file; it dies with the process that started it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments: str) -> None:
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=_die_with_parent
            )

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        if self.runs:
            self._process.send_signal(number)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def tail(self) -> str:
        return (self.folder / "output").read_text(errors="replace")[-2000:]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Btcd(Process):
    """The chain. Blocks come by `mine` only."""

    def __init__(self, folder: Path) -> None:
        super().__init__("btcd", folder)
        self.rpc, self._listen = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.cert = folder / "rpc.cert"
        self._web = httpx.Client(base_url=f"https://{self.rpc}", auth=("town", "town"), verify=False, timeout=60)

    def start(self, mine_to: str = "") -> None:
        self.run(
            str(build.folder() / "btcd"), "--regtest", "--txindex", "--rpcuser=town", "--rpcpass=town",
            f"--rpclisten={self.rpc}", f"--listen={self._listen}", f"--rpccert={self.cert}",
            f"--rpckey={self.folder / 'rpc.key'}", f"--datadir={self.folder / 'data'}", f"--logdir={self.folder / 'logs'}",
            f"--configfile={self.folder / 'btcd.conf'}", *([f"--miningaddr={mine_to}"] if mine_to else []),
        )  # fmt: skip
        wait_for(lambda: self.call("getblockcount") is not None, "btcd")

    def call(self, method: str, *params: object) -> Any:
        asked = {"jsonrpc": "1.0", "id": 1, "method": method, "params": params}
        answer = self._web.post("/", content=json.dumps(asked)).json()
        if answer.get("error"):
            raise NodeError(f"btcd: {answer['error']}")
        return answer["result"]

    def close(self) -> None:
        self.stop()
        self._web.close()


class Lnd(Process):
    """One LND node, asked with all rights."""

    def __init__(self, name: str, folder: Path, chain: Btcd) -> None:
        super().__init__(name, folder)
        self._chain = chain
        self._rest, self._rpc, self.peer = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self._web = httpx.Client(base_url=self.url, verify=False, timeout=60)
        self.pubkey = ""

    @property
    def url(self) -> str:
        return f"https://{self._rest}"

    @property
    def cert(self) -> Path:
        return self.folder / "tls.cert"

    @property
    def admin_macaroon(self) -> Path:
        return self.folder / "data" / "chain" / "bitcoin" / "regtest" / "admin.macaroon"

    def start(self) -> None:
        self.run(
            str(build.folder() / "lnd"), f"--lnddir={self.folder}", f"--alias={self.name}", "--noseedbackup",
            "--bitcoin.regtest", "--bitcoin.node=btcd", f"--btcd.rpchost={self._chain.rpc}", "--btcd.rpcuser=town",
            "--btcd.rpcpass=town", f"--btcd.rpccert={self._chain.cert}", "--bitcoin.defaultchanconfs=1",
            f"--restlisten={self._rest}", f"--rpclisten={self._rpc}", f"--listen={self.peer}", "--trickledelay=50",
            "--maxpendingchannels=5", "--nobootstrap", "--debuglevel=warn",
        )  # fmt: skip

    def answers(self) -> None:
        self.pubkey = wait_for(lambda: str(self.ask("GET", "/v1/getinfo")["identity_pubkey"]), f"{self.name} to answer")

    def ready(self) -> None:
        """It answers and is in step with the chain, which on a chain without blocks it never is."""
        self.answers()
        wait_for(lambda: self.ask("GET", "/v1/state")["state"] == "SERVER_ACTIVE", f"{self.name} to be up")

    def ask(self, method: str, path: str, body: object = None, params: dict[str, str] | None = None) -> dict[str, Any]:
        """Raises NodeError."""
        assert self.runs, f"{self.name} has ended: {self.tail()}"
        headers = {"Grpc-Metadata-macaroon": self.admin_macaroon.read_bytes().hex()}
        answer: dict[str, Any] = self._web.request(method, path, json=body, params=params, headers=headers).json()
        if "code" in answer and "message" in answer:
            raise NodeError(f"{self.name}: {answer['message']}")
        return answer

    def first(self, method: str, path: str, body: object = None, until: Callable[[Any], bool] = bool) -> dict[str, Any]:
        """The first message of a stream that will do; its last one if none does. Raises NodeError."""
        headers = {"Grpc-Metadata-macaroon": self.admin_macaroon.read_bytes().hex()}
        row: dict[str, Any] = {}
        with self._web.stream(method, path, json=body, headers=headers) as answer:
            for line in answer.iter_lines():
                message = json.loads(line)
                if "result" not in message:
                    raise NodeError(f"{self.name}: {message.get('error', message)}")
                row = message["result"]
                if until(row):
                    return row
        return row

    def bake(self, path: Path) -> Path:
        """A macaroon with just the rights that the daemon needs."""
        made = self.ask("POST", "/v1/macaroon", {"permissions": PERMISSIONS})
        path.write_bytes(bytes.fromhex(made["macaroon"]))
        return path

    def channels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/v1/channels")["channels"]
        return found

    def balance(self) -> int:
        """What is ours in all channels, in msat."""
        return int(self.ask("GET", "/v1/balance/channels")["local_balance"]["msat"])

    def close(self) -> None:
        self.stop()
        self._web.close()


class Town:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-town-"))
        self.chain = Btcd(self.folder / "btcd")
        self.employer, self.escrow, self.worker = self.nodes = tuple(
            Lnd(name, self.folder / name, self.chain) for name in ("employer", "escrow", "worker")
        )

    def start(self) -> None:
        self.chain.start()
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.answers()
        address = self.escrow.ask("GET", "/v1/newaddress", params={"type": "WITNESS_PUBKEY_HASH"})["address"]
        self.chain.stop()
        self.chain.start(mine_to=address)
        self.mine(_ACTIVE_FROM)
        for node in self.nodes:
            node.ready()
        self.mine(1)  # the wallet counts coins as mature only with a block that it sees arrive
        wait_for(lambda: self._coins() >= 4 * CAPACITY, "the escrow's coins")
        for peer, channels in ((self.employer, 2), (self.worker, 1)):
            self.escrow.ask("POST", "/v1/peers", {"addr": {"pubkey": peer.pubkey, "host": peer.peer}})
            for _ in range(channels):
                self._open(peer)
        self.mine(6)
        self.connected()

    def _coins(self) -> int:
        return int(self.escrow.ask("GET", "/v1/balance/blockchain")["confirmed_balance"])

    def _open(self, peer: Lnd) -> None:
        asked = {
            "node_pubkey": base64.b64encode(bytes.fromhex(peer.pubkey)).decode(),
            "local_funding_amount": str(CAPACITY),
            "push_sat": str(PUSHED),
            "sat_per_vbyte": "1",
        }
        wait_for(lambda: self.escrow.ask("POST", "/v1/channels", asked), f"a channel to {peer.name}")

    def connected(self) -> None:
        """Every channel may be used, at both ends, and the nodes' path finding has noticed."""
        for node, channels in zip(self.nodes, (2, 3, 1), strict=True):
            wait_for(partial(_active, node, channels), f"{node.name}'s channels")
        for payer, payee in ((self.employer, self.escrow), (self.escrow, self.worker), (self.escrow, self.employer)):
            query = partial(payer.ask, "GET", f"/v1/graph/routes/{payee.pubkey}/100000")
            wait_for(query, f"a route from {payer.name} to {payee.name}")

    def mine(self, blocks: int) -> int:
        """New blocks; returns when every node that runs has seen them. The new height."""
        self.chain.call("generate", blocks)
        height = int(self.chain.call("getblockcount"))
        for node in self.nodes:
            if node.runs:
                wait_for(partial(_at, node, height), f"{node.name} to see block {height}")
        return height

    def restart(self, node: Lnd, number: int = signal.SIGTERM) -> None:
        node.stop(number)
        node.start()
        node.ready()
        self.connected()

    def tidy(self) -> None:
        """Whatever a test has left: unpaid and held invoices are cancelled, and what is in flight has ended."""
        for node in self.nodes:
            listed = node.ask("GET", "/v1/invoices", params={"pending_only": "true", "num_max_invoices": "1000"})
            for invoice in listed["invoices"]:
                with contextlib.suppress(NodeError):
                    node.ask("POST", "/v2/invoices/cancel", {"payment_hash": invoice["r_hash"]})
        self.at_rest()

    def at_rest(self) -> None:
        """Nothing is in flight any more."""
        for node in self.nodes:
            wait_for(partial(_at_rest, node), f"{node.name} to be at rest", 150)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
        self.chain.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _at(node: Lnd, height: int) -> bool:
    info = node.ask("GET", "/v1/getinfo")
    return int(info["block_height"]) == height and bool(info["synced_to_chain"])


def _active(node: Lnd, channels: int) -> bool:
    return [each["active"] for each in node.channels()].count(True) == channels


def _at_rest(node: Lnd) -> bool:
    return not any(each["pending_htlcs"] for each in node.channels())


_shared: list[Town] = []


def shared() -> Town:
    """The town of this run of tests, started when first asked for."""
    if not _shared:
        _shared.append(Town())
        try:
            _shared[0].start()
        except BaseException:
            close_shared()
            raise
    return _shared[0]


def close_shared() -> None:
    while _shared:
        _shared.pop().close()
