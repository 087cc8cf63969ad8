"""`holdfast simnet`: the wallets of people in the simulated network of a running play-money daemon."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.complaints import Complaint, friendly
from bot.cli.daemon import settings_from
from bot.door import ask
from kinds.figures import sats_text

simnet_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Pay and be paid in the play money of a running daemon."
)

Data = Annotated[Path | None, typer.Option(help="The daemon's data directory.")]
Json = Annotated[bool, typer.Option("--json", help="The plain answer of the simulated node.")]
Name = Annotated[str, typer.Option(help="Whose wallet; a new name gets a new wallet with play money in it.")]


def request(data: Path | None, said: dict[str, Any]) -> dict[str, Any]:
    """One request to the daemon's control socket. Raises Complaint."""
    place = settings_from(None, data).daemon.data
    try:
        answer = asyncio.run(ask(place / "simnet.sock", said))
    except (OSError, ValueError) as error:
        raise Complaint(
            f"no play-money daemon answers in {place}; is `holdfast run` running, and is --data its directory?"
        ) from error
    if "error" in answer:
        raise Complaint(f"the simulated node says: {answer['error']}")
    return answer


@simnet_app.command("pay")
@friendly
def pay(
    invoice: Annotated[str, typer.Argument(help="With or without lightning: in front.")],
    wallet: Name = "employer",
    parts: Annotated[int, typer.Option(min=1, max=483, help="In so many parts.")] = 1,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Pay an invoice from a wallet."""
    bare = invoice.strip().lower().removeprefix("lightning:")
    answer = request(data, {"do": "pay", "wallet": wallet, "invoice": bare, "parts": parts})
    _show(answer, as_json, _PAID.get(str(answer["status"]), "the payment is {status}{why}"))
    if answer["status"] == "failed":
        raise typer.Exit(1)


_PAID = {
    "in_flight": "{amount} are on their way and held there: the wallet shows them as pending",
    "complete": "{amount} are paid; the preimage is {preimage}",
    "failed": "the payment failed{why}; nothing was spent",
}


@simnet_app.command("invoice")
@friendly
def invoice(
    amount: Annotated[int, typer.Argument(min=1, help="In sats.")],
    wallet: Name = "worker",
    expiry: Annotated[int, typer.Option(min=1, help="Seconds that it lives.")] = 7 * 86400,
    memo: str = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make an invoice, for example for a payout."""
    said = {"do": "invoice", "wallet": wallet, "amount_sat": amount, "expiry": expiry, "memo": memo}
    _show(request(data, said), as_json, "{invoice}")


@simnet_app.command("mine")
@friendly
def mine(
    blocks: Annotated[int, typer.Argument(min=1, max=100_000)] = 1, data: Data = None, as_json: Json = False
) -> None:
    """Let blocks come."""
    _show(request(data, {"do": "mine", "blocks": blocks}), as_json, "the height is {height} now")


@simnet_app.command("wallet")
@friendly
def wallet(data: Data = None, as_json: Json = False) -> None:
    """Show what is in the wallets."""
    answer = request(data, {"do": "wallet"})
    if as_json:
        typer.echo(json.dumps(answer))
        return
    if not answer["balances_msat"]:
        typer.echo(_NO_WALLETS)
        return
    table = Table("wallet", "balance")
    for name, balance in answer["balances_msat"].items():
        table.add_row(name, sats_text(balance))
    Console().print(table)


_NO_WALLETS = "there are no wallets yet; `holdfast simnet pay` and `holdfast simnet invoice` make one at its first use"


def _show(answer: dict[str, Any], as_json: bool, sentence: str) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
        return
    amount = answer.get("amount_msat")
    why = f": {answer['reason']}" if answer.get("reason") else ""
    typer.echo(sentence.format(**answer, amount=sats_text(amount) if isinstance(amount, int) else "", why=why))
