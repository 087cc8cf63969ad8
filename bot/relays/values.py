"""The words in which the rest of the daemon speaks with its relays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from kinds.events import Event

NOT_CONNECTED = "not connected"
Filter = dict[str, Any]  # a NIP-01 filter
Have = Callable[[list[Filter]], Awaitable[list[tuple[int, str]]]]  # (created_at, id) of stored events that match


@dataclass(frozen=True, slots=True)
class Want:
    """A long-lived subscription. `filters` gets `since` in unix seconds; each want is a REQ of its own, because
    strfry silently leaves kinds 4 and 1059 out of a mixed one. The name holds at most 32 letters (it is in the REQ's id).
    """

    name: str
    filters: Callable[[int], list[Filter]]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event whose id and signature were verified, and the relay that served it."""

    event: Event
    relay: str


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything that this relay had stored for this want at `at` (unix seconds, our clock) was put before this marker.

    When everything before the marker is stored, `at` may be stored as the cursor of (relay, want), and no earlier.
    """

    relay: str
    want: str
    at: int


@dataclass(frozen=True, slots=True)
class Ack:
    """A relay's answer to an EVENT. None: no answer, the event may or may not have arrived: send the same bytes again."""

    accepted: bool | None
    message: str

    @property
    def away(self) -> bool:
        """It was not even sent: there is no connection."""
        return self.accepted is None and self.message == NOT_CONNECTED


class Drop(StrEnum):
    """Why something from a relay was thrown away (metrics label)."""

    MALFORMED = "malformed"  # not JSON, or not an event within our limits
    UNKNOWN_MESSAGE = "unknown_message"
    UNKNOWN_SUBSCRIPTION = "unknown_subscription"
    UNWANTED = "unwanted"  # does not match the filters of its subscription
    FORGED = "forged"  # the id is not that of the content, or the signature is bad
    OVERSIZED = "oversized"
    DUPLICATE = "duplicate"  # genuine, and already delivered over this connection
    CROWDED = "crowded"  # pages of one second that may hide more events of that second (no NIP-77)


@dataclass(frozen=True, slots=True)
class RelayStatus:
    hearing: bool  # the listening connection is up
    speaking: bool  # the connection for what we say and ask is up
    since: int | None  # unix seconds since when it is heard
    connects: int  # of the listening connection
    open_wants: tuple[str, ...]  # those with a live subscription now
    negentropy: bool | None  # None: not known yet
    dropped: Mapping[Drop, int]
    trouble: str  # the last one, in a few words


class RelayTrouble(Exception):
    """A relay did not do what was asked: `Refused` it, gave `NoAnswer`, or its connection is over (`LineDown`)."""


class Refused(RelayTrouble):
    """The relay said CLOSED; the message is the relay's."""


class NoAnswer(RelayTrouble):
    """Not connected, or the relay said nothing in time: this is not the answer 'nothing found'."""


class LineDown(RelayTrouble):
    """The connection ended."""


class BadRelayUrl(ValueError):
    """This is not the address of a relay."""


@lru_cache(maxsize=1024)  # asked for each event that goes out
def normal_url(text: str) -> str:
    """One spelling per relay: lower-case scheme and host, no default port, no bare slash. Raises BadRelayUrl."""
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise BadRelayUrl("the address of a relay cannot be read") from error
    if parts.scheme not in ("ws", "wss") or not host or parts.username is not None or parts.fragment:
        raise BadRelayUrl("the address of a relay looks like wss://relay.example")
    if len(text) > 512 or not text.isprintable() or not text.isascii() or " " in text.strip():
        raise BadRelayUrl("the address of a relay is at most 512 plain ASCII characters")
    if port == {"ws": 80, "wss": 443}[parts.scheme]:
        port = None
    place = f"[{host}]" if ":" in host else host
    path = parts.path if parts.path != "/" else ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{place}{f':{port}' if port is not None else ''}{path}{query}"
