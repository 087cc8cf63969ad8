"""The one secret of a simulated node, and everything that is derived from it.

A hold's preimage is HMAC-SHA256(key, ref): nothing has to be stored before it leaves the node, and a repeated create
gives the same hash. The key file belongs to the backup: without it an accepted hold cannot be settled.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path

from kinds.units import PaymentHash

KEY_BYTES = 32


def load_key(path: Path, entropy: Callable[[int], bytes]) -> bytes:
    """The key in this file; a new one, readable only by its owner, when there is none. ValueError when it is no key."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        key = bytes.fromhex(path.read_text().strip())
    else:
        key = entropy(KEY_BYTES)
        with os.fdopen(handle, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} does not hold a key of {KEY_BYTES} bytes")
    return key


def preimage_of(key: bytes, ref: str) -> bytes:
    return hmac.digest(key, ref.encode(), "sha256")


def hash_of(preimage: bytes) -> PaymentHash:
    return PaymentHash(hashlib.sha256(preimage).hexdigest())


def signing_key(key: bytes, owner: str) -> bytes:
    """The private key with which the node or a wallet signs its invoices; no ref of a hold can lead to it."""
    return hashlib.sha256(b"simnet signing key\0" + key + owner.encode()).digest()
