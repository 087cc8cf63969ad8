"""The data directory and the daemon's own key: there, whole, and nobody else's to read."""

from __future__ import annotations

import stat
from pathlib import Path

from bot.config import BadConfig, Settings
from bot.findings import Finding, good, note, risk
from bot.keys import npub, read_key
from bot.relays.signer import KeySigner
from kinds.units import Secret

AREA = "files"


def examine(settings: Settings) -> tuple[Secret | None, list[Finding]]:
    """The daemon's key, when there is one, and what was found."""
    data = settings.daemon.data
    if not data.is_dir():
        return None, [
            note(AREA, f"there is no data directory {data} yet", "`holdfast run` makes it, with a new key inside")
        ]
    key, said = _key(data / "nostr.key")
    return key, [_directory(data), said]


def _directory(data: Path) -> Finding:
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077:
        return risk(AREA, f"the data directory {data} is open to others (mode {mode:o})", f"chmod 700 {data}")
    return good(AREA, f"the data directory {data} is for its owner alone")


def _key(path: Path) -> tuple[Secret | None, Finding]:
    if not path.exists():
        return None, note(AREA, f"there is no key {path} yet", "`holdfast init` or `holdfast run` makes one")
    try:
        key = read_key(path)
    except BadConfig as error:
        return None, risk(AREA, str(error), "mend the key file, or put your copy of it back")
    who = npub(KeySigner(key).pubkey)
    return key, good(AREA, f"{path} is the key of {who}; a copy of it belongs into your backup")
