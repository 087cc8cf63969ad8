"""What the keeper asks of lightningd, over its own JSON-RPC. Blocking, and called by one thread only.

Records live in the datastore under ("holdfast", "hold", <payment hash>), and of holds that were settled long ago only the ref, under
("holdfast", "spent", <payment hash>). lightningd keeps it in the database of its channels: when it answers, the record is on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyln.client import LightningRpc, RpcError

from bot.nodes.cln.plugin.keeper import Trouble
from bot.nodes.cln.plugin.records import Record, decode, encode
from bot.nodes.cln.wire import Installed, State

SHELF, SPENT = ["holdfast", "hold"], ["holdfast", "spent"]
_SILENT = logging.Logger("silent", logging.CRITICAL + 1)  # pyln logs what it sends and receives: secrets among it


class Lightningd:
    def __init__(self, socket: str) -> None:
        self._rpc = LightningRpc(socket, logger=_SILENT)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Raises Trouble, which never quotes an answer."""
        try:
            answer = self._rpc.call(method, params)
        except RpcError as error:
            raise Trouble(f"{method}: {_message(error.error)}") from None
        except (OSError, ValueError, TypeError) as error:
            raise Trouble(f"{method}: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise Trouble(f"{method}: an answer of another form")
        return answer

    # --- the datastore -------------------------------------------------------------------------------------------

    def load(self) -> list[Record]:
        """Every hold there is. Raises Trouble, and BadRecord rather than leave one out."""
        return self._load(SHELF)

    def find(self, payment_hash: str) -> Record | None:
        """A hold that this process does not know, because the answer to its first save was lost. Raises Trouble, BadRecord."""
        return next(iter(self._load([*SHELF, payment_hash])), None)

    def _load(self, key: list[str]) -> list[Record]:
        return [decode(_text(entry)) for entry in _rows(self.ask("listdatastore", key=key), "datastore")]

    def save(self, record: Record) -> None:
        fresh = record.state is State.OPEN
        self.ask(
            "datastore",
            key=[*SHELF, record.payment_hash],
            string=encode(record),
            mode="must-create" if fresh else "create-or-replace",
        )

    def forget(self, record: Record) -> None:
        """In this order, and as often as needed: a death or a lost answer in between is harmless."""
        if record.spent:
            self.ask("datastore", key=[*SPENT, record.payment_hash], string=record.ref, mode="create-or-replace")
        if self._has([*SHELF, record.payment_hash]):
            self.ask("deldatastore", key=[*SHELF, record.payment_hash])

    def is_spent(self, payment_hash: str) -> bool:
        return self._has([*SPENT, payment_hash])

    def _has(self, key: list[str]) -> bool:
        return bool(_rows(self.ask("listdatastore", key=key), "datastore"))

    # --- secrets -------------------------------------------------------------------------------------------------

    def secret(self, ref: str) -> bytes:
        secret = self.ask("makesecret", string=f"holdfast hold {ref}").get("secret")
        try:
            preimage = bytes.fromhex(str(secret))
        except ValueError:
            preimage = b""
        if len(preimage) != 32:
            raise Trouble("makesecret: not a secret of 32 bytes")
        return preimage

    # --- what became of a payment --------------------------------------------------------------------------------

    def on_channels(self, payment_hash: str, leaving: bool) -> bool:
        return any(
            htlc.get("payment_hash") == payment_hash
            and (leaving or "_REMOVE_" not in str(htlc.get("state")))  # BOLT 2: the steps of an HTLC's removal
            for htlc in self._htlcs_in()
        )

    def hashes(self) -> set[str]:
        return {str(htlc.get("payment_hash")) for htlc in self._htlcs_in()}

    def _htlcs_in(self) -> Iterator[dict[str, Any]]:
        for channel in _rows(self.ask("listpeerchannels"), "channels"):
            for htlc in _rows(channel, "htlcs", needed=False):
                if htlc.get("direction") == "in":
                    yield htlc

    def moves(self) -> int:
        return _number(self.ask("wait", subsystem="channelmoves", indexname="created", nextvalue=0), "created")

    def credited(self, payment_hash: str, since: int) -> int:
        channels = _rows(self.ask("listchannelmoves", index="created", start=since + 1), "channelmoves")
        chain = _rows(self.ask("listchainmoves"), "chainmoves")
        return sum(
            _number(move, "credit_msat") for move in (*channels, *chain) if move.get("payment_hash") == payment_hash
        )

    def payments(self) -> int:
        """The index of the newest part of an outgoing payment."""
        return _number(self.ask("wait", subsystem="sendpays", indexname="created", nextvalue=0), "created")

    # --- the node ------------------------------------------------------------------------------------------------

    def height(self) -> int:
        return _number(self.ask("getinfo"), "blockheight")

    def installed(self, program: str) -> Installed:
        """How its configuration names this program. A look that fails says UNKNOWN, and harms nothing."""
        try:
            configs = self.ask("listconfigs").get("configs", {})
        except Trouble:
            return Installed.UNKNOWN
        if _names(configs, "important-plugin", Path(program)):
            return Installed.IMPORTANT
        own = Path(program)
        if _names(configs, "plugin", own) or _names(configs, "plugin-dir", own.parent):
            return Installed.PLAIN
        return Installed.ABSENT


def _names(configs: Any, option: str, path: Path) -> bool:
    entry = configs.get(option, {}) if isinstance(configs, Mapping) else {}
    values = entry.get("values_str", []) if isinstance(entry, Mapping) else []
    return any(path.resolve() == Path(str(value)).expanduser().resolve() for value in values)


def _rows(answer: Mapping[str, Any], name: str, needed: bool = True) -> Sequence[dict[str, Any]]:
    rows = answer.get(name, None if needed else [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Trouble(f"lightningd answers without {name}")
    return rows


def _number(answer: Mapping[str, Any], name: str) -> int:
    try:
        return int(answer[name])
    except (KeyError, ValueError, TypeError):
        raise Trouble(f"lightningd answers without {name}") from None


def _text(entry: Mapping[str, Any]) -> str:
    """A datastore entry's text; `string` is left out where lightningd thinks that it is none, `hex` never."""
    try:
        return bytes.fromhex(entry["hex"]).decode()
    except (KeyError, ValueError, TypeError):
        raise Trouble("a record in the datastore is no text") from None


def _message(error: object) -> str:
    if isinstance(error, Mapping):
        return f"{str(error.get('message', ''))[:200]} ({error.get('code')})"
    return str(error)[:200]
