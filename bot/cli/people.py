"""`holdfast client`: for people without a Nostr client, and for scripts. One subcommand for each command of the bot."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from bot.cli.complaints import Complaint, friendly
from bot.cli.sealing import open_command, read_seal_key, seal_command
from bot.client import Channel, Client, Letter, Waited
from bot.keys import new_secret, pubkey_of, read_key, write_key
from kinds.cards import card
from kinds.codes import Refused, Told
from kinds.commands import COMMANDS, PLANNED, Claim, Command, Post, Receipt, Status
from kinds.commands.base import TaskCommand
from kinds.commands.usage import usage
from kinds.grammar import VERSION, read_command_json, read_command_text
from kinds.page import receipt_page
from kinds.post import offer_of
from kinds.units import Secret, task_id
from kinds.wording import en
from kinds.words import as_word

client_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Talk with an escrow daemon as a Nostr user: post, fund, claim, deliver, decide, and read its answers.",
)

Json = Annotated[bool, typer.Option("--json", help="The answer as JSON.")]


@dataclass(frozen=True, slots=True)
class Line:
    """With whom we talk, as whom."""

    relays: list[str]
    bot: str
    secret: Secret
    channel: Channel
    within: float

    def client(self) -> Client:
        return Client(self.relays, self.secret, self.bot, within=self.within, reads="mine")


@client_app.callback()
@friendly
def common(
    context: typer.Context,
    bot: Annotated[str | None, typer.Option(envvar="HOLDFAST_BOT", help="The daemon's npub.")] = None,
    key: Annotated[
        Path | None, typer.Option(envvar="HOLDFAST_KEY", help="File with your secret key (nsec or hex).")
    ] = None,
    relay: Annotated[
        list[str] | None, typer.Option(envvar="HOLDFAST_RELAY", help="May be given several times.")
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key file when it is not there.")] = False,
    nip04: Annotated[bool, typer.Option("--nip04", help="Old direct messages instead of NIP-17.")] = False,
    wait: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 20.0,
) -> None:
    if context.resilient_parsing or context.invoked_subcommand in ("seal", "open"):
        return
    if bot is None or key is None:
        raise Complaint(f"{'--bot' if bot is None else '--key'} is missing; holdfast client --help explains it", 2)
    try:
        whom = pubkey_of(bot)
    except ValueError as error:
        raise Complaint(f"--bot: {error}", 2) from None
    if new_key and not key.exists():
        write_key(key, new_secret())
        typer.echo(f"wrote a new secret key to {key}", err=True)
    context.obj = Line(relay or ["ws://127.0.0.1:7777"], whom, read_key(key), "nip04" if nip04 else "nip17", wait)


Words = Annotated[list[str] | None, typer.Argument(metavar="WORDS...")]
Signed = Annotated[bool, typer.Option("--signed", help="As a signed decision, provable by anyone.")]


def _say(command: type[Command]) -> None:
    """Registers the subcommand for one command of the bot."""
    about: dict[str, Any] = {
        "help": f"{inspect.getdoc(command)}\n\nWritten: {usage(command)}\n\nExample: {command.example}",
        "short_help": (inspect.getdoc(command) or "").splitlines()[0],
    }
    if command is Claim:

        @client_app.command(command.action, **about)
        @friendly
        def claimed(
            context: typer.Context,
            words: Words = None,
            note: Annotated[str, typer.Option(help="Why you: to the employer.")] = "",
            signed: Signed = False,
            as_json: Json = False,
        ) -> None:
            _speak(command, context.obj, [*(words or []), *([f"note={note}"] if note else [])], signed, as_json)

        return

    if command is Receipt:

        @client_app.command(command.action, **about)
        @friendly
        def receipted(
            context: typer.Context,
            words: Words = None,
            html: Annotated[bool, typer.Option("--html", help="A page for printing.")] = False,
            as_json: Json = False,
        ) -> None:
            if html and as_json:
                raise Complaint("--html or --json: one of the two", 2)
            _speak(command, context.obj, words or [], False, as_json, html)

        return

    @client_app.command(command.action, **about)
    @friendly
    def said(context: typer.Context, words: Words = None, signed: Signed = False, as_json: Json = False) -> None:
        _speak(command, context.obj, words or [], signed, as_json)


def _speak(
    command: type[Command], line: Line, words: list[str], signed: bool, as_json: bool, html: bool = False
) -> None:
    spoken = read_command_text(" ".join([command.action, *map(_word, words)]))
    if signed and not isinstance(spoken, TaskCommand):
        raise Complaint(f"{command.action} cannot be signed: only commands about one task can", 2)

    async def ask(client: Client) -> Letter:
        if signed and isinstance(spoken, TaskCommand):
            return await client.answer((await client.decide(spoken)).id)
        return await client.ask(spoken, line.channel, "json")

    _talk(line, ask, as_json, html)


def _word(word: str) -> str:
    """As the person's shell gave it: several words in one argument were in quotes there; key=value stays as it is."""
    name, equals, value = word.partition("=")
    if equals and name.isidentifier():
        return f"{name}={as_word(value)}"
    return as_word(word) if any(letter.isspace() for letter in word) else word


def _refuse(word: str) -> None:
    """Registers a word of the protocol that is planned: it is refused by its name, as the bot would."""

    @client_app.command(word, hidden=True, context_settings={"ignore_unknown_options": True})
    @friendly
    def refused(words: Annotated[list[str] | None, typer.Argument(metavar="WORDS...")] = None) -> None:
        raise Complaint(en.sentence(Refused.NOT_BUILT, {"what": f"the command {word}"}, int(time.time())))


for each in COMMANDS:
    _say(each)
for planned in sorted(PLANNED):
    _refuse(planned)


@client_app.command("task")
@friendly
def task(
    context: typer.Context,
    title: Annotated[str, typer.Option(help="What is to be done.")],
    amount: Annotated[str, typer.Option(help="The reward, in sats if no currency is named.")],
    deadline: Annotated[str, typer.Option(help="3d, 12h, 2w, or a date like 2026-12-31.")],
    currency: Annotated[str, typer.Option(help="sats, or a code like INR.")] = "sats",
    description: str = "",
    term: Annotated[list[str] | None, typer.Option(help="Any other term, NAME=VALUE; several times.")] = None,
    name: Annotated[str, typer.Option(help="The event's own name (its d tag).")] = "",
    as_json: Json = False,
) -> None:
    """Offer a task by a signed, public event (kind 30078)."""
    terms = {"deadline": deadline, **({"description": description} if description else {}), **_terms(term or [])}
    cost: int | str = int(amount) if amount.removeprefix("-").isdecimal() and len(amount) < 20 else amount
    said = {"v": VERSION, "action": "post", "amount": cost, "currency": currency, "title": title, "terms": terms}
    post = read_command_json(json.dumps(said))
    assert isinstance(post, Post), "that is what was read"
    offer = offer_of(post, int(time.time()))

    async def ask(client: Client) -> Letter:
        event = await client.task(
            offer.title,
            cost,
            offer.deadline,
            d=name,
            terms=offer.terms.model_dump(exclude_defaults=True),
            tags=[("currency", offer.currency)] if offer.currency else [],
        )
        if not as_json:
            typer.echo(f"published as {event.id}", err=True)
        return await _judged(client, await client.answer(event.id), task_id(event.id), lambda _: True)

    _talk(context.obj, ask, as_json)


def _terms(said: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in said]
    wrong = next((name for name, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise Complaint(f"--term {wrong}: write it NAME=VALUE", 2)
    return {name: value for name, _, value in pairs}


@client_app.command("proof")
@friendly
def proof(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="ID")],
    url: Annotated[str, typer.Option(help="Where the work is.")],
    sha256: Annotated[str, typer.Option(help="Of the file behind the url.")] = "",
    file: Annotated[Path | None, typer.Option(help="The file itself: its sha256 is taken.")] = None,
    mime: str | None = None,
    notes: str = "",
    key: Annotated[str, typer.Option(help="Of a sealed file; - reads it from the standard input.")] = "",
    as_json: Json = False,
) -> None:
    """Deliver work by a signed, public event (kind 30079). The key of a sealed file goes into it sealed to the bot."""
    if bool(sha256) == (file is not None):
        raise Complaint("give --sha256, or --file to have it computed", 2)
    digest = sha256.lower() if file is None else hashlib.sha256(file.read_bytes()).hexdigest()

    seal = read_seal_key(key) if key else None

    async def ask(client: Client) -> Letter:
        event = await client.proof(task, url, digest, mime=mime, notes=notes, key=seal)
        answer = await client.answer(event.id)
        if en.sentence(Told.PROOF_CHECKING, {}, 0) in answer.text:
            known = {letter.id for letter in client.letters()}
            answer = await client.letter(lambda letter: letter.id not in known, "the result of the check")
        return await _judged(client, answer, task, lambda status: (status.get("proof") or {}).get("sha256") == digest)

    _talk(context.obj, ask, as_json)


@client_app.command("letters")
@friendly
def letters(
    context: typer.Context,
    wait: Annotated[float, typer.Option(min=0.0, help="Also wait this many seconds for new ones.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Show what the bot has written to you in the last two days."""

    async def read() -> list[Letter]:
        async with context.obj.client() as client:
            await asyncio.sleep(wait)
            return sorted(client.letters(), key=lambda letter: letter.created_at)

    for letter in asyncio.run(read()):
        show(letter, as_json)


client_app.command("seal")(seal_command)
client_app.command("open")(open_command)

_COMES_LATER = {
    "making_invoice": ("invoice", "invoice_failed"),
    "proof_checking": ("proof_received", "proof_mismatched"),
}
"""Answers that are followed by the one that the person really waits for."""


async def _judged(client: Client, answer: Letter, task: str, is_done: Callable[[dict[str, Any]], bool]) -> Letter:
    """Public events are answered in words, which do not say whether it was a refusal: the task's status does."""
    if answer.said:
        return answer
    status = await client.ask(Status(task=task), answer.channel, "json")
    done = status.ok and is_done(status.said)
    facts = status.said if done else {"v": VERSION}
    return replace(answer, said={**facts, "ok": done, "code": "accepted" if done else "refused", "text": answer.text})


def _talk(line: Line, ask: Callable[[Client], Awaitable[Letter]], as_json: bool, html: bool = False) -> None:
    """Asks, shows the answer, and ends with 1 when it is a refusal."""

    async def talk() -> Letter:
        async with line.client() as client:
            answer = await ask(client)
            later = _COMES_LATER.get(answer.code, ())
            if not later:
                return answer
            task, since = answer.task, answer.created_at
            return await client.letter(
                lambda letter: letter.code in later and letter.task == task and letter.created_at >= since,
                f"the {later[0]} of {task}",
            )

    try:
        answer = asyncio.run(talk())
    except Waited:
        raise Complaint(
            f"the bot did not answer within {line.within:g} s; is its npub right, and does it live on this relay?"
        ) from None
    if html and answer.ok:
        typer.echo(receipt_page(answer.said, int(time.time())), nl=False)
    else:
        show(answer, as_json)
    if not answer.ok:
        raise typer.Exit(1)


def show(letter: Letter, as_json: bool) -> None:
    """A letter for a person: the same card that he would get by message, with a QR code that a phone can scan."""
    if as_json:
        typer.echo(json.dumps(letter.said or {"text": letter.text}, ensure_ascii=False))
        return
    console = Console(highlight=False, soft_wrap=True)
    for row in words_of(letter).splitlines():
        is_qr = bool(row.strip()) and not set(row) - set("█▀▄ ")
        console.print(Text(row, style="black on white" if is_qr and console.is_terminal else ""))


def words_of(letter: Letter) -> str:
    """A letter in words: a JSON letter's card is drawn here, from the facts in it."""
    said = letter.said
    if not said:
        return letter.text
    try:
        code = Told(letter.code) if letter.ok else Refused(letter.code)
    except ValueError:
        return str(said.get("text", letter.text))
    return card(code, said, int(time.time())) or str(said.get("text", ""))
