"""The calls of lightningd that the adapter and the plugin use, one method each, named as they are."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from kinds import bolt11
from tests.cln import ledger as books
from tests.cln.ledger import OUR_KEY, Ledger, Row, recorded
from tests.cln.routes import Refusal, Routes


class Calls:
    def __init__(self, ledger: Ledger, routes: Routes, program: Path) -> None:
        self._ledger, self._routes, self._program = ledger, routes, program
        self.option = "important-plugin"  # how the configuration names the plugin
        self.warnings: Row = {}

    async def getinfo(self) -> Row:
        return {
            **recorded("getinfo"),
            "id": bolt11.public_key(OUR_KEY),
            "blockheight": self._ledger.height,
            **self.warnings,
        }

    async def listpeerchannels(self) -> Row:
        return {"channels": self._ledger.channels()}

    async def listincoming(self) -> Row:
        way = {"short_channel_id": books.PAYER, "id": bolt11.public_key(books.PAYER_KEY), "public": True}
        fees = {"fee_base_msat": 1, "fee_proportional_millionths": 10, "cltv_expiry_delta": 6}
        return {"incoming": [{**way, **fees, "incoming_capacity_msat": 9_900_000_000}]}

    async def getrawblockbyheight(self, height: int) -> Row:
        known = height <= self._ledger.height
        return {"blockhash": self._ledger.block_hash(height) if known else None, "block": "00" if known else None}

    async def listconfigs(self) -> Row:
        return {"configs": {self.option: {"values_str": [str(self._program)], "sources": ["config:1"]}}}

    async def makesecret(self, string: str) -> Row:
        return {"secret": hashlib.sha256(b"hsm" + string.encode()).hexdigest()}

    async def signinvoice(self, invstring: str) -> Row:
        try:
            return {"bolt11": bolt11.encode(bolt11.decode(invstring), OUR_KEY)}
        except bolt11.BadInvoice:
            raise Refusal(-32602, f"Unparsable invoice '{invstring}': Bad bech32 string") from None

    async def datastore(self, key: list[str], string: str, mode: str = "must-create") -> Row:
        known = self._ledger.datastore.get(tuple(key))
        if known and mode == "must-create":
            raise Refusal(1202, "Key already exists")
        if not known and mode == "must-replace":
            raise Refusal(1203, "Key does not exist")
        generation = known[1] + 1 if known else 0
        self._ledger.datastore[tuple(key)] = (string, generation)
        return {"key": key, "generation": generation, "hex": string.encode().hex(), "string": string}

    async def listdatastore(self, key: list[str]) -> Row:
        wanted = tuple(key)
        found = [
            {"key": list(name), "generation": generation, "hex": text.encode().hex(), "string": text}
            for name, (text, generation) in self._ledger.datastore.items()
            if name == wanted or name[:-1] == wanted
        ]
        return {"datastore": found}

    async def deldatastore(self, key: list[str]) -> Row:
        if tuple(key) not in self._ledger.datastore:
            raise Refusal(1200, "Key does not exist")
        text, generation = self._ledger.datastore.pop(tuple(key))
        return {"key": key, "generation": generation, "hex": text.encode().hex()}

    async def listchannelmoves(self, index: str = "created", start: int = 0) -> Row:
        return {"channelmoves": [move for move in self._ledger.moves if move["created_index"] >= start]}

    async def listchainmoves(self) -> Row:
        return {"chainmoves": self._ledger.chain_moves}

    async def wait(self, subsystem: str, indexname: str, nextvalue: int) -> Row:
        if subsystem == "channelmoves":
            return {"subsystem": subsystem, "created": len(self._ledger.moves)}
        if indexname == "created":
            return {"subsystem": subsystem, "created": len(self._ledger.sendpays)}
        while self._ledger.updates < nextvalue:
            await self._routes.changed()
        return {"subsystem": subsystem, indexname: self._ledger.updates}

    async def xpay(self, **params: Any) -> Row:
        return await self._routes.xpay(**params)

    async def listsendpays(self, payment_hash: str = "", index: str = "created", start: int = 0) -> Row:
        rows = [row for row in self._ledger.sendpays if payment_hash in ("", row["payment_hash"])]
        if index == "updated":
            rows = [row for row in rows if row.get("updated_index", 0) >= max(1, start)]
        return {"payments": rows}
