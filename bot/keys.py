"""The daemon's own key: a file that only its owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bot.config import BadConfig
from bot.relays.sdk import nostr_sdk
from kinds.units import Secret


def new_secret() -> Secret:
    return Secret(nostr_sdk.Keys.generate().secret_key().to_hex())


def write_key(path: Path, secret: Secret) -> None:
    """Never overwrites. Raises FileExistsError."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret.reveal() + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_key(path: Path) -> Secret:
    """The secret key (hex or nsec) in this file. Raises BadConfig."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text().strip()
    except OSError as error:
        raise BadConfig(f"the key file {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise BadConfig(f"the key file {path} may be read by others; do: chmod 600 {path}")
    try:
        return Secret(nostr_sdk.Keys.parse(text).secret_key().to_hex())
    except nostr_sdk.NostrSdkError as error:
        raise BadConfig(f"the key file {path} holds no Nostr secret key (nsec or 64 hex digits)") from error


def read_or_make_key(path: Path) -> Secret:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_key(path, new_secret())
    return read_key(path)


def npub(pubkey: str) -> str:
    return str(nostr_sdk.PublicKey.parse(pubkey).to_bech32())


def pubkey_of(text: str) -> str:
    """A public key in hex, from npub or hex. Raises ValueError."""
    try:
        return str(nostr_sdk.PublicKey.parse(text).to_hex())
    except nostr_sdk.NostrSdkError as error:
        raise ValueError("this is no public key: give an npub or 64 hex digits") from error
