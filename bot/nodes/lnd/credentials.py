"""The two files that open LND's door: its certificate, which is pinned, and a macaroon, which says what we may do.

Errors name the file and what to do, and never quote what is in it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from bot.config import BadConfig
from kinds.units import Secret


def read_certificate(path: Path) -> bytes:
    """The certificate in this PEM file, as DER. Raises BadConfig."""
    text = _read(path, "lnd.tls_cert").decode("ascii", "replace")
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    try:
        return ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])
    except ValueError as error:
        raise BadConfig(f"lnd.tls_cert: {path} holds no certificate in PEM form; LND writes one as tls.cert") from error


def read_macaroon(path: Path) -> Secret:
    """The macaroon in this file, as LND writes it, in hex. Raises BadConfig."""
    raw = _read(path, "lnd.macaroon")
    if not raw:
        raise BadConfig(f"lnd.macaroon: {path} is empty")
    return Secret(raw.hex())


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{setting}: {path} cannot be read: {error.strerror}") from error
