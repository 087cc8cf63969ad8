"""Who the daemon is and where to find it: kind 0 profile, NIP-65 10002, NIP-17 10050, NIP-89 31990, and its heartbeat."""

from __future__ import annotations

from collections.abc import Sequence

from kinds import events
from kinds.events import Unsigned, canonical_json
from kinds.units import Pubkey

INSTANCE_TAG, SINCE_TAG, NAMES_TAG = "instance", "since", "names"
HEARTBEAT = 20078  # ephemeral: read back, it shows that a relay lets us hear


def profile(bot: Pubkey, time: int, name: str, about: str, network: str) -> Unsigned:
    said = {"name": name, "about": about, "bot": True, "network": network}
    return Unsigned(bot, time, 0, (), canonical_json(said))


def relay_list(bot: Pubkey, time: int, relays: Sequence[str]) -> Unsigned:
    return Unsigned(bot, time, 10002, tuple(("r", url) for url in relays), "")


def dm_relays(bot: Pubkey, time: int, relays: Sequence[str]) -> Unsigned:
    return Unsigned(bot, time, 10050, tuple(("relay", url) for url in relays), "")


def handler(bot: Pubkey, time: int, name: str, about: str) -> Unsigned:
    """NIP-89 handler information: which kinds this bot understands."""
    kinds = tuple(
        ("k", str(kind)) for kind in (events.TASK, events.PROOF, events.RECORD, events.DM_RUMOR, events.DM_NIP04)
    )
    return Unsigned(bot, time, 31990, (("d", "holdfast"), *kinds), canonical_json({"name": name, "about": about}))


def heartbeat(
    bot: Pubkey, time: int, word: str, instance: str = "", since: int = 0, names: Sequence[str] = ()
) -> Unsigned:
    """`instance`: the process that sends it, running `since` then (unix seconds); `names`: other instances that it hears."""
    tags = (("t", "holdfast-heartbeat"), (INSTANCE_TAG, instance), (SINCE_TAG, str(since)))
    return Unsigned(bot, time, HEARTBEAT, (*tags, *((NAMES_TAG, name) for name in names)), word)
