"""The connection string of a wallet: its key, ours, and where both meet (NIP-47, Nostr Wallet Connect URI).

Whoever has it can spend what the connection allows. It comes from a file of its own and is never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE
from urllib.parse import parse_qs, urlsplit

from bot.nodes.preimages import credential_file
from bot.relays.values import BadRelayUrl, normal_url
from kinds.units import Pubkey, Secret, is_hex64


class BadConnection(ValueError):
    """The connection string cannot be used; the text says why and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Connection:
    wallet: Pubkey  # the wallet service's key
    secret: Secret  # our key towards it, hex
    relays: tuple[str, ...]


def parse_connection(text: str) -> Connection:
    """From `nostr+walletconnect://<wallet>?relay=...&secret=...`. Raises BadConnection."""
    try:
        parts = urlsplit(text.strip())
        words = parse_qs(parts.query)
        relays = tuple(dict.fromkeys(normal_url(url) for url in words.get("relay", ())))
    except BadRelayUrl as error:
        raise BadConnection(f"the connection string names no usable relay: {error}") from error
    except ValueError as error:
        raise BadConnection("the connection string cannot be read") from error
    if parts.scheme not in ("nostr+walletconnect", "nostrwalletconnect"):
        raise BadConnection("a connection string begins with nostr+walletconnect://")
    wallet, secret = (parts.netloc or parts.path.strip("/")).lower(), "".join(words.get("secret", ())).lower()
    if not is_hex64(wallet) or not is_hex64(secret):
        raise BadConnection("a connection string holds the wallet's key and secret= with 64 hex digits each")
    if not 1 <= len(relays) <= 8:
        raise BadConnection("a connection string names one to eight relays")
    return Connection(Pubkey(wallet), Secret(secret), relays)


def connection_from(path: Path) -> Connection:
    """The connection in systemd's credential of this file's name, or in the file, which only its owner may read. Raises
    BadConnection."""
    given = credential_file(path.name)
    text = _text_of(path, private=True) if given is None else _text_of(given, private=False)
    try:
        return parse_connection(text)
    except BadConnection as error:
        raise BadConnection(f"{path}: {error}") from error


def _text_of(path: Path, *, private: bool) -> str:
    """`private`: nobody else may read it; for a credential systemd has its own rules."""
    try:
        mode, text = S_IMODE(path.stat().st_mode), path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise BadConnection(f"the wallet's connection string {path} cannot be read: {why}") from error
    if private and mode & 0o077:
        raise BadConnection(f"{path} is a secret and may be read by others; do: chmod 600 {path}")
    return text
