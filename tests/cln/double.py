"""A double of lightningd: its unix socket, and the real plugin as a process of its own, spoken to as lightningd speaks to plugins.

As strict as the real one where it ends itself: an answer of the hook that it cannot read is kept in `fatal`, and no test may end
with one. As recorded: forms and error codes (`recorded/`), replay after a restart with relative expiries that are too large,
JSON without \\u escapes, the death of the plugin, which gives back what was held and then ends an important plugin's lightningd.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kinds import bolt11
from tests.cln import ledger as books
from tests.cln.calls import Calls
from tests.cln.clock import SharedClock
from tests.cln.ledger import Htlc, Ledger, Row
from tests.cln.routes import Refusal, Routes

RESCAN = 30  # blocks by which a replayed HTLC's relative expiry is too large on regtest
LAUNCHER = """#!{python}
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from bot.nodes.cln.plugin.main import main
from tests.cln.clock import SharedClock
main(SharedClock(Path({clock!r})))
"""
Answer = dict[str, Any]


class Double:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cln"))  # a socket's path is short
        self.clock = SharedClock(self.folder / "clock")
        self.socket = self.folder / "lightning-rpc"
        self.program = self.folder / "holdfast-hold"
        self.ledger = Ledger()
        self.routes = Routes(self.ledger, self.clock)
        self.calls = Calls(self.ledger, self.routes, self.program)
        self.fatal: list[str] = []
        self.logged: list[str] = []
        self.hooked: list[Row] = []  # every question of the hook, with its answer
        self.refuse: dict[str, int] = {}  # calls that fail, by method: how often
        self.heard: list[str] = []  # every call, by method
        self._hearing = asyncio.Event()
        self.our_key = books.OUR_KEY
        self.mute: set[str] = set()  # calls that are never answered
        self.alive = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._plugin: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._asked: dict[str, Callable[[Answer | None], None]] = {}
        self._calls: set[str] = set()
        self._number = 0
        self.program.write_text(
            LAUNCHER.format(
                python=sys.executable, root=str(Path(__file__).parents[2]), clock=str(self.folder / "clock")
            )
        )
        self.program.chmod(0o755)

    # --- its life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, self.socket)
        self._plugin = await asyncio.create_subprocess_exec(
            self.program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "LIGHTNINGD_PLUGIN": "1", "LIGHTNINGD_VERSION": "v26.06.6"},
            limit=2**22,
        )
        self._reader = asyncio.create_task(self._read_plugin(self._plugin))
        manifest = await self._ask("getmanifest", {"allow-deprecated-apis": False})
        assert manifest["result"]["dynamic"] is False
        assert [hook["name"] for hook in manifest["result"]["hooks"]] == ["htlc_accepted"]
        self._calls = {method["name"] for method in manifest["result"]["rpcmethods"]}
        configuration = {"lightning-dir": str(self.folder), "rpc-file": "lightning-rpc", "startup": True}
        answer = await self._ask("init", {"options": {}, "configuration": configuration})
        assert "error" not in answer, answer
        self.alive.set()
        for htlc in list(self.ledger.on_channel()):  # the replay
            if htlc.end:
                continue
            if htlc.channel in self.ledger.onchain:  # given back without a question (BOLT 2, after `shutdown`)
                self._fail(htlc, "permanent_channel_failure")
            else:
                self.ask_hook(htlc, replay=True)

    async def stop(self) -> None:
        """A clean end: hooks stay unanswered, and their HTLCs are there at the next start."""
        self.alive.clear()
        asked, self._asked = self._asked, {}
        asked.clear()
        for htlc in self.ledger.htlcs:
            htlc.asked = False
        if self._plugin is not None and self._plugin.returncode is None:
            assert self._plugin.stdin is not None
            self._plugin.stdin.close()
            await self._plugin.wait()
        await self._close()

    async def kill_plugin(self) -> None:
        """SIGKILL: lightningd answers what is held by its own default, and then ends, since the plugin is important."""
        assert self._plugin is not None
        self._plugin.kill()
        await self._plugin.wait()
        assert self._reader is not None
        await self._reader
        self.alive.clear()
        await self._close()

    async def aclose(self) -> None:
        await self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert self.fatal == [], "lightningd would have ended itself"

    async def hears(self, method: str, times: int = 1) -> None:
        """Until somebody has called it so often."""
        async with asyncio.timeout(10):
            while self.heard.count(method) < times:
                await self._hearing.wait()

    async def cut_connections(self) -> None:
        """Answers that were on their way are lost."""
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self.cut_connections()
        if self._reader is not None:
            await self._reader
        self.socket.unlink(missing_ok=True)

    def forget_calls(self) -> None:
        """As if the plugin were not there."""
        self._calls = set()

    # --- the plugin ----------------------------------------------------------------------------------------------

    def ask_hook(self, htlc: Htlc, replay: bool = False) -> None:
        relative = htlc.expiry - self.ledger.height + (RESCAN if replay else 0)
        request = {
            "peer_id": bolt11.public_key(books.PAYER_KEY),
            "onion": htlc.onion,
            **htlc.extra,
            "htlc": {
                "short_channel_id": htlc.channel,
                "id": htlc.id,
                "amount_msat": htlc.amount,
                "cltv_expiry": htlc.expiry,
                "cltv_expiry_relative": relative,
                "payment_hash": htlc.payment_hash,
            },
        }
        htlc.asked = True
        self._send("htlc_accepted", request, lambda answer: self._hook_answered(htlc, request, answer))

    def _hook_answered(self, htlc: Htlc, request: Row, answer: Answer | None) -> None:
        htlc.asked = False
        self.hooked.append({"request": request, "answer": answer, "time": self.clock()})
        if answer is None:  # the plugin died
            self._fail(htlc, "default")
            return
        result = answer.get("result", {})
        match result.get("result"):
            case "continue":
                self._fail(htlc, "unknown" if "forward_to" not in htlc.extra else "forwarded")
            case "fail" if _is_hex(result.get("failure_message", "-"), least=2):
                self._fail(htlc, result["failure_message"])
            case "resolve" if _is_hex(result.get("payment_key", "-"), least=32):
                if hashlib.sha256(bytes.fromhex(result["payment_key"])).hexdigest() != htlc.payment_hash:
                    self.fatal.append("a preimage of something else")
                self._fulfil(htlc)
            case _:
                self.fatal.append(json.dumps(answer))

    def _fail(self, htlc: Htlc, failure: str) -> None:
        stuck = htlc.channel in self.ledger.offline | self.ledger.onchain
        htlc.end, htlc.state = failure, books.REMOVING if stuck else ""
        self.routes.payer_heard(htlc)

    def _fulfil(self, htlc: Htlc) -> None:
        htlc.end, htlc.state = "fulfilled", books.REMOVING
        if htlc.channel in self.ledger.offline | self.ledger.onchain:
            return  # lightningd has the preimage, and the peer does not take it yet
        asyncio.get_running_loop().call_later(0.01, self.move, htlc)

    def move(self, htlc: Htlc) -> None:
        """The peer has taken the preimage: the money is ours."""
        moved = self.ledger.fulfil(htlc)
        self.routes.payer_heard(htlc)
        self.notify("coin_movement", moved)

    def claim(self, htlc: Htlc) -> None:
        """lightningd's own transaction has taken the money on the chain."""
        self.notify("coin_movement", self.ledger.claim(htlc))

    def mine(self) -> None:
        self.ledger.height += 1
        height = self.ledger.height
        self.notify("block_added", {"hash": self.ledger.block_hash(height), "height": height})

    def notify(self, topic: str, what: Row) -> None:
        if self.alive.is_set():
            self._write({"jsonrpc": "2.0", "method": topic, "params": {topic: what}})

    async def _ask(self, method: str, params: object) -> Answer:
        waiting: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._send(method, params, waiting.set_result)
        answer = await waiting
        if answer is None:
            raise Refusal(-4, "Plugin terminated before replying to RPC call.")
        return answer

    def _send(self, method: str, params: object, then: Callable[[Answer | None], Any]) -> None:
        self._number += 1
        number = f"cln:{method}#{self._number}"
        self._asked[number] = then
        self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    def _write(self, message: Row) -> None:
        assert self._plugin is not None
        assert self._plugin.stdin is not None
        self._plugin.stdin.write(json.dumps(message, ensure_ascii=False).encode() + b"\n\n")

    async def _read_plugin(self, plugin: asyncio.subprocess.Process) -> None:
        assert plugin.stdout is not None
        while True:
            try:
                raw = await plugin.stdout.readuntil(b"\n\n")
            except asyncio.IncompleteReadError:
                break
            message = json.loads(raw)
            if message.get("method") == "log":
                self.logged.append(f"{message['params']['level']}: {message['params']['message']}")
            elif message.get("id") in self._asked:
                self._asked.pop(message["id"])(message)
        asked, self._asked = self._asked, {}
        for then in asked.values():
            then(None)

    # --- the socket ----------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = b""
        while True:
            fresh = await reader.read(2**16)
            if not fresh:
                return
            heard += fresh
            try:
                request, end = json.JSONDecoder().raw_decode(heard.decode())
            except ValueError:
                continue
            raw, heard = heard.decode()[:end], heard.decode()[end:].lstrip().encode()
            answer = await self._answer(request, raw)
            if answer is not None:
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n\n")
                await writer.drain()

    async def _answer(self, request: Row, raw: str) -> Answer | None:
        method, number = request["method"], request["id"]
        self.heard.append(method)
        self._hearing.set()
        self._hearing = asyncio.Event()
        try:
            if method in self.mute:
                return None
            if self.refuse.get(method, 0) > 0:
                self.refuse[method] -= 1
                raise Refusal(-1, "database is locked")
            if "\\u" in raw:
                raise Refusal(-32602, "should be a string (without \\u)")
            if method in self._calls:
                answer = await self._ask(method, request["params"])
                return {**answer, "id": number}
            call: Callable[..., Awaitable[Row]] | None = getattr(self.calls, method, None)
            if call is None:
                raise Refusal(-32601, f"Unknown command '{method}'")
            return {"jsonrpc": "2.0", "id": number, "result": await call(**request["params"])}
        except Refusal as refusal:
            error = {"code": refusal.code, "message": refusal.message}
            return {"jsonrpc": "2.0", "id": number, "error": error}


def _is_hex(text: str, least: int) -> bool:
    try:
        return len(bytes.fromhex(text)) >= least
    except ValueError:
        return False
