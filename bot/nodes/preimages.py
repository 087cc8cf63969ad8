"""Preimages that nobody has to store: HMAC-SHA256(key, ref), so that a repeated create gives the same payment hash.

The key file belongs to the backup: without it an accepted hold cannot be settled. One key a line, 64 hex digits, the newest
first: new holds are made with the first, and a hold that was made with an older one is still settled with it (rotation).

Where the keys come from, the first that is there: the environment variable HOLDFAST_PREIMAGE_KEY (the lines themselves), the
systemd credential `preimage.key`, the file that the settings name, and last a file in the data directory, which is made at
the first start.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from kinds.lightning import HoldRef
from kinds.units import PaymentHash, Secret

KEY_BYTES = 32
MOST_REFS = 40  # names of holds that are tried for one task
_MEMO = re.compile(r"Holdfast escrow ([0-9a-z]{13})")
VARIABLE, CREDENTIAL = "HOLDFAST_PREIMAGE_KEY", "preimage.key"


class BadKeyFile(Exception):
    """The key file cannot be used; the text says why and what to do."""


class Preimages:
    """All keys of one file. A ref is never reused, so that a preimage is never known before its hold is settled."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise BadKeyFile(f"a key of preimages has {KEY_BYTES} bytes, and there is at least one")
        self._keys = keys

    def hash_for(self, ref: str) -> PaymentHash:
        """The payment hash of a new hold under this ref."""
        return hash_of(preimage_of(self._keys[0], ref))

    def find(self, hold: HoldRef) -> Secret | None:
        """The preimage of this hold in hex, by whichever key it was made; None when none of them fits."""
        for key in self._keys:
            preimage = preimage_of(key, hold.ref)
            if hash_of(preimage) == hold.payment_hash:
                return Secret(preimage.hex())
        return None

    def hashes(self, ref: str) -> tuple[PaymentHash, ...]:
        """Every hash that a hold under this ref may have, by the newest key first."""
        return tuple(hash_of(preimage_of(key, ref)) for key in self._keys)


def ref_of(memo: str, payment_hash: PaymentHash, preimages: Preimages) -> str:
    """The ref of a hold of which only its memo and hash are known; "" when it is not one of ours."""
    named = _MEMO.fullmatch(memo)
    refs = (f"{named[1]}/h{number}" for number in range(1, MOST_REFS + 1)) if named else ()
    return next((ref for ref in refs if payment_hash in preimages.hashes(ref)), "")


def preimage_of(key: bytes, ref: str) -> bytes:
    return hmac.digest(key, ref.encode(), "sha256")


def hash_of(preimage: bytes) -> PaymentHash:
    return PaymentHash(hashlib.sha256(preimage).hexdigest())


def find_keys(
    named: Path | None, default: Path, entropy: Callable[[int], bytes], environ: Mapping[str, str] = os.environ
) -> tuple[bytes, ...]:
    """The keys, from wherever the operator keeps them; `named` is the file of the settings. Raises BadKeyFile."""
    if environ.get(VARIABLE):
        return _parse(environ[VARIABLE], f"the variable {VARIABLE}")
    credential = credential_file(CREDENTIAL, environ)
    if credential is not None:
        return _parse(
            _read(credential), f"the credential {CREDENTIAL}"
        )  # systemd has its own rules for who may read it
    return read_keys(named) if named is not None else read_or_make_keys(default, entropy)


def credential_file(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The systemd credential of this name (LoadCredential=), when the service was given one."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / name if folder else None
    return path if path is not None and path.exists() else None


def read_or_make_keys(path: Path, entropy: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """The keys of this file; a new one, readable by its owner alone, when there is none. Raises BadKeyFile."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return read_keys(path)
    except OSError as error:
        raise BadKeyFile(f"the key file {path} cannot be made: {error.strerror}") from error
    key = entropy(KEY_BYTES)
    with os.fdopen(handle, "w") as file:
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return (key,)


def read_keys(path: Path) -> tuple[bytes, ...]:
    """Raises BadKeyFile."""
    text = _read(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise BadKeyFile(f"the key file {path} may be read by others; do: chmod 600 {path}")
    return _parse(text, f"the key file {path}")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeyFile(
            f"the key file {path} cannot be read: {getattr(error, 'strerror', 'it is no text')}"
        ) from error


def _parse(text: str, where: str) -> tuple[bytes, ...]:
    try:
        keys = tuple(bytes.fromhex(line) for line in text.split())
    except ValueError:
        keys = ()
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise BadKeyFile(f"{where} does not hold keys of {KEY_BYTES} bytes in hex, one a line")
    return keys
