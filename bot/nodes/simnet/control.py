"""The control door: other processes move the people of a simulated network over a unix socket.

One JSON object a line in, one a line out; `{"error": sentence}` for what cannot be done. Requests, by their field
`do`: `pay`, `invoice`, `preimage` (as a wallet), `wallet` (all balances), `state`, `mine`, and for tests `fault` (the
fields of `Faults` to change), `force_close`, `lose_hold`, `release`, `restart`. Amounts are sat in requests
(`..._sat`) and msat in answers (`..._msat`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.door import Door
from bot.nodes.simnet.chain import block_hash
from bot.nodes.simnet.faults import Faults, changed_faults
from bot.nodes.simnet.node import SimNode
from kinds.lightning import PaymentView
from kinds.units import PaymentHash, sats

MAX_BLOCKS = 100_000

Sat = Annotated[int, Field(gt=0, le=21_000_000 * 100_000_000)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Pay(Request):
    do: Literal["pay"]
    wallet: str
    invoice: str
    parts: Annotated[int, Field(ge=1, le=483)] | Annotated[list[Sat], Field(min_length=1, max_length=483)] = 1
    amount_sat: Sat | None = None


class MakeInvoice(Request):
    do: Literal["invoice"]
    wallet: str
    amount_sat: Sat
    expiry: Annotated[int, Field(gt=0, le=10**9)] = 3600
    cltv: Annotated[int, Field(gt=0, le=10**4)] = 80
    memo: Annotated[str, Field(max_length=600)] = ""


class Preimage(Request):
    do: Literal["preimage"]
    wallet: str
    hash: Hash


class Mine(Request):
    do: Literal["mine"]
    blocks: Annotated[int, Field(ge=1, le=MAX_BLOCKS)] = 1


class Plain(Request):
    do: Literal["wallet", "state", "restart"]


class AtHash(Request):
    do: Literal["force_close", "lose_hold", "release"]
    hash: Hash
    complete: bool = True  # only of release: how the payee ends the payout


class Fault(BaseModel):
    """The fields to change; none at all turns every fault off."""

    model_config = ConfigDict(extra="allow", frozen=True)
    do: Literal["fault"]


_REQUEST: TypeAdapter[Pay | MakeInvoice | Preimage | Mine | Plain | AtHash | Fault] = TypeAdapter(
    Annotated[Pay | MakeInvoice | Preimage | Mine | Plain | AtHash | Fault, Field(discriminator="do")]
)


class Control(Door):
    def __init__(self, node: SimNode, path: Path) -> None:
        super().__init__(path, self._told)
        self._node = node

    async def _told(self, line: bytes) -> dict[str, Any]:
        return self.answer(line)

    def answer(self, line: bytes) -> dict[str, Any]:
        try:
            return self._do(_REQUEST.validate_json(line))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"][1:])
            return {"error": f"{where}: {first['msg']}" if where else first["msg"]}
        except ValueError as error:
            return {"error": str(error)}

    def _do(self, request: Pay | MakeInvoice | Preimage | Mine | Plain | AtHash | Fault) -> dict[str, Any]:
        network = self._node.network
        match request:
            case Pay():
                wallet = self._node.wallet(request.wallet)
                parts = request.parts if isinstance(request.parts, int) else [sats(size) for size in request.parts]
                amount = None if request.amount_sat is None else sats(request.amount_sat)
                return _payment(wallet.pay(request.invoice, parts, amount))
            case MakeInvoice():
                wallet = self._node.wallet(request.wallet)
                return {"invoice": wallet.invoice(sats(request.amount_sat), request.expiry, request.cltv, request.memo)}
            case Preimage():
                preimage = self._node.wallet(request.wallet).preimages.get(PaymentHash(request.hash))
                return (
                    {"error": "this wallet has no paid invoice of that hash"}
                    if preimage is None
                    else {"preimage": preimage}
                )
            case Mine():
                network.mine(request.blocks)
            case AtHash():
                ends: dict[str, Callable[[PaymentHash], None]] = {
                    "force_close": network.force_close,
                    "lose_hold": network.lose_hold,
                    "release": lambda payment_hash: network.release(payment_hash, complete=request.complete),
                }
                ends[request.do](PaymentHash(request.hash))
            case Fault():
                fields = request.model_extra
                network.faults = changed_faults(network.faults, fields) if fields else Faults()
            case Plain(do="wallet"):
                return {"balances_msat": network.figures().wallets}
            case Plain(do="restart"):
                network.restart()
            case Plain():
                pass
        return self._state()

    def _state(self) -> dict[str, Any]:
        network = self._node.network
        return {
            "height": network.height,
            "block_hash": block_hash(network.height),
            "money_msat": asdict(network.figures()),
            "faults": asdict(network.faults),
        }


def _payment(view: PaymentView) -> dict[str, Any]:
    return {
        "hash": view.payment_hash,
        "status": view.status.value,
        "amount_msat": view.amount,
        "reason": view.reason,
        "preimage": view.preimage.reveal(),
    }
