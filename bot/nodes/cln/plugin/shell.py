"""pyln around the keeper: lightningd's questions come in on one thread and are answered, in order, by another.

An HTLC never hangs: whatever goes wrong on the way to an answer, it is failed back, unless the keeper has it.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from pyln.client import Plugin, RpcException

from bot.nodes.cln import wire
from bot.nodes.cln.plugin import verdict
from bot.nodes.cln.plugin.desk import Desk, NoSuchHold
from bot.nodes.cln.plugin.invoices import Refusal
from bot.nodes.cln.plugin.keeper import Keeper, Trouble
from bot.nodes.cln.plugin.lightningd import Lightningd
from bot.nodes.cln.plugin.news import News
from bot.nodes.cln.plugin.records import BadRecord

TICK = 0.5  # seconds between two looks at what has become due when nothing happens
log = logging.getLogger("holdfast")


class HookAnswer:
    """One question of the hook `htlc_accepted`. Answered twice is answered once."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._done = False

    def pass_on(self) -> None:
        self._say({"result": "continue"})

    def fail(self, failure: str) -> None:
        self._say({"result": "fail", "failure_message": failure})

    def resolve(self, preimage: bytes) -> None:
        self._say({"result": "resolve", "payment_key": preimage.hex()})

    def _say(self, result: dict[str, str]) -> None:
        if not self._done:
            self._done = True
            self._request.set_result(result)


class Shell:
    def __init__(self, clock: Callable[[], float], program: str, version: str) -> None:
        self._clock, self._program, self._version = clock, program, version
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._news = News(clock)
        self._keeper: Keeper
        self._desk: Desk
        self.plugin = Plugin(dynamic=False)  # so lightningd refuses `plugin stop`: it would give every payment back
        self.plugin.add_hook("htlc_accepted", self._htlc_accepted, background=True)
        self.plugin.add_subscription("block_added", self._block_added)
        self.plugin.add_subscription("coin_movement", self._coin_movement)
        self._offer_calls()
        self.plugin.init()(self._init)

    def run(self) -> None:
        self.plugin.run()

    # --- lightningd's side: these only put jobs into the queue ---------------------------------------------------

    def _init(self, **_: Any) -> None:
        """Everything is read before lightningd goes on to replay HTLCs. Without it the process ends, and lightningd with it,
        before a payment is given back for no reason."""
        plugin = self.plugin
        try:
            lightningd = Lightningd(os.path.join(str(plugin.lightning_dir), str(plugin.rpc_filename)))
            keeper = Keeper(lightningd, self._clock, self._news.changed)
            keeper.start(lightningd.load(), lightningd.height())
            payments = lightningd.payments()
        except (Trouble, BadRecord) as error:
            plugin.log(f"{wire.PLUGIN} cannot read its holds and ends: {error}", level="error")
            os._exit(1)
        self._keeper = keeper
        installed = lightningd.installed(self._program)
        self._desk = Desk(keeper, lightningd, self._clock, self._version, installed, payments=payments)
        self._say_how_installed(self._desk.installed)
        threading.Thread(target=self._work, name="keeper", daemon=True).start()

    def _say_how_installed(self, how: wire.Installed) -> None:
        if how in (wire.Installed.IMPORTANT, wire.Installed.UNKNOWN):
            self.plugin.log(f"{wire.PLUGIN} {self._version} holds payments for Holdfast")
            return
        trouble = (
            "if it dies alone, held payments go back and nobody notices"
            if how is wire.Installed.PLAIN
            else "it was started by hand, so after a restart held payments go back before it is there"
        )
        self.plugin.log(
            f"{wire.PLUGIN} is not in lightningd's configuration as an important plugin: {trouble}. "
            f"Add the line: important-plugin={self._program}",
            level="warn",
        )

    def _htlc_accepted(self, onion: Any, htlc: Any, request: Any, **others: Any) -> None:
        answer = HookAnswer(request)
        try:
            arrived = verdict.read_htlc(onion, htlc, others)
        except (KeyError, ValueError, TypeError) as error:
            log.error("a question about an HTLC cannot be read (%s); it is left to lightningd", type(error).__name__)
            answer.pass_on()
            return

        def job() -> None:
            try:
                self._keeper.arrive(arrived, answer)
            except Exception as error:
                log.error("an HTLC could not be judged: %s", _named(error))
                if not self._keeper.keeps(arrived):
                    answer.fail(verdict.TEMPORARY)

        self._jobs.put(job)

    def _block_added(self, block_added: Any, **_: Any) -> None:
        height, block = int(block_added["height"]), str(block_added["hash"])

        def job() -> None:
            self._keeper.height, self._desk.block = height, block

        self._jobs.put(job)

    def _coin_movement(self, coin_movement: Any, **_: Any) -> None:
        payment_hash, credit = coin_movement.get("payment_hash"), coin_movement.get("credit_msat", 0)
        if payment_hash and int(credit) > 0:
            self._jobs.put(lambda: self._keeper.credit(str(payment_hash), int(credit)))

    # --- the daemon's side ---------------------------------------------------------------------------------------

    def _offer_calls(self) -> None:
        """Plain functions: pyln tells their parameters to lightningd's `help`."""

        def create(ref: Any, amount_msat: Any, expiry: Any, cltv: Any, memo: Any = "", request: Any = None) -> None:
            self._answer(
                request, lambda: self._desk.create(str(ref), int(amount_msat), int(expiry), int(cltv), str(memo))
            )

        def listed(state: Any = "", request: Any = None) -> None:
            self._answer(request, lambda: self._desk.listed(str(state)))

        def lookup(payment_hash: Any, request: Any = None) -> None:
            self._answer(request, lambda: self._desk.lookup(str(payment_hash)))

        def settle(payment_hash: Any, request: Any = None) -> None:
            self._answer(request, lambda: self._desk.settle(str(payment_hash)))

        def cancel(payment_hash: Any, request: Any = None) -> None:
            self._answer(request, lambda: self._desk.cancel(str(payment_hash)))

        def wait(since: Any = 0, request: Any = None) -> None:
            number = int(since)
            self._jobs.put(lambda: self._news.wait(number, request.set_result))

        def health(request: Any = None) -> None:
            self._answer(request, lambda: self._desk.health())

        for name, call in (
            (wire.CREATE, create),
            (wire.LIST, listed),
            (wire.LOOKUP, lookup),
            (wire.SETTLE, settle),
            (wire.CANCEL, cancel),
            (wire.WAIT, wait),
            (wire.HEALTH, health),
        ):
            self.plugin.add_method(name, call, background=True)

    def _answer(self, request: Any, call: Callable[[], dict[str, Any]]) -> None:
        def job() -> None:
            try:
                result = call()
            except (Refusal, NoSuchHold) as error:
                request.set_exception(RpcException(str(error), error.code))
            except Exception as error:
                log.error("a call failed: %s", _named(error))
                request.set_exception(RpcException(_named(error), wire.TROUBLE))
            else:
                request.set_result(result)

        self._jobs.put(job)

    # --- the one thread that decides -----------------------------------------------------------------------------

    def _work(self) -> None:
        """Sweeps before and after each job: no answer is older than the clock, and news is told at once."""
        while True:
            try:
                job = self._jobs.get(timeout=TICK)
            except queue.Empty:
                job = self._keeper.sweep
            for step in (self._keeper.sweep, job, self._keeper.sweep, self._news.serve):
                try:
                    step()
                except Exception as error:
                    log.error("something is broken: %s", _named(error))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, Trouble) else type(error).__name__
