"""An ordinary Nostr client that speaks Holdfast: for the command line, scripts, the demo, tests and benchmarks."""

from bot.client.client import Client, Form, Reads
from bot.client.heard import Channel, Entry, Letter, TaskCard
from bot.client.public import PublicRecord
from bot.client.shelf import Waited
from bot.client.voice import Away, NoBasis, NotTaken

__all__ = [
    "Away", "Channel", "Client", "Entry", "Form", "Letter", "NoBasis", "NotTaken", "PublicRecord", "Reads", "TaskCard", "Waited",
]  # fmt: skip
