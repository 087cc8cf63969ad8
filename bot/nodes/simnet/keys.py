"""What else is derived from the one secret of a simulated network: the keys that sign invoices."""

from __future__ import annotations

import hashlib


def signing_key(key: bytes, owner: str) -> bytes:
    """The private key with which the node or a wallet signs its invoices; no ref of a hold can lead to it."""
    return hashlib.sha256(b"simnet signing key\0" + key + owner.encode()).digest()
