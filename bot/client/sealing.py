"""Sealed files: what a worker delivers so that it can be opened only with a key, which is handed over when it is paid for.

The format stands in docs/PROTOCOL.md (Sealed delivery): ChaCha20-Poly1305 in chunks, each of which says its number and whether it is the last,
so that nothing can be cut off, added or moved. A key is for one file: the nonces begin at 0. A result appears under its name only when it
is whole, and what is there is never overwritten.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from kinds.units import Secret, hash_of, is_hex64

MAGIC = b"HFSEAL1\n"
CHUNK, TAG = 65_536, 16


class NotOpened(ValueError):
    """The file is no sealed file, is damaged, or the key is another one."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed file: where it is, its sha256, its key and the sha256 of that."""

    file: Path
    sha256: str
    key: Secret
    key_hash: str


def new_key() -> Secret:
    return Secret(secrets.token_hex(32))


def read_key(text: str) -> Secret:
    """Raises NotOpened, without the text, for what is no key."""
    key = text.strip().lower()
    if not is_hex64(key):
        raise NotOpened("a key is 64 hex digits")
    return Secret(key)


def seal(source: Path, target: Path, key: Secret) -> Sealed:
    """Encrypts a file. Raises OSError; FileExistsError when the target is there."""
    cipher, digest = ChaCha20Poly1305(bytes.fromhex(key.reveal())), hashlib.sha256()
    with source.open("rb") as plain, _whole(target) as out:
        for block in _sealed(plain, cipher):
            digest.update(block)
            out.write(block)
    return Sealed(target, digest.hexdigest(), key, hash_of(key))


def unseal(source: Path, target: Path, key: Secret) -> None:
    """Decrypts a file. Raises NotOpened, and no target is there then; OSError; FileExistsError when the target is there."""
    cipher = ChaCha20Poly1305(bytes.fromhex(key.reveal()))
    with source.open("rb") as sealed, _whole(target) as out:
        if sealed.read(len(MAGIC)) != MAGIC:
            raise NotOpened("this is no file that was sealed by holdfast client seal")
        for number, (block, last) in enumerate(_chunks(sealed, CHUNK + TAG)):
            try:
                plain = cipher.decrypt(_nonce(number, last), block, MAGIC)
            except InvalidTag:
                raise NotOpened("the key is another one, or the file was changed") from None
            if not plain and number:
                raise NotOpened("the file has an empty chunk behind others")
            out.write(plain)


def _sealed(plain: BinaryIO, cipher: ChaCha20Poly1305) -> Iterator[bytes]:
    yield MAGIC
    for number, (block, last) in enumerate(_chunks(plain, CHUNK)):
        yield cipher.encrypt(_nonce(number, last), block, MAGIC)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """(block, whether it is the last); one at least."""
    block = file.read(size)
    while True:
        following = file.read(size)
        yield block, not following
        if not following:
            return
        block = following


class _whole:
    """A file that appears under its name, readable by its owner only, when it is complete; nothing is left of it otherwise."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __enter__(self) -> BinaryIO:
        if self._target.exists():
            raise FileExistsError(17, "there is a file of that name already", str(self._target))
        handle, name = tempfile.mkstemp(dir=self._target.parent, prefix=f".{self._target.name}.")
        self._draft, self._file = Path(name), os.fdopen(handle, "wb")
        return self._file

    def __exit__(self, kind: object, *rest: object) -> None:
        self._file.close()
        try:
            if kind is None:
                self._name()
        finally:
            self._draft.unlink(missing_ok=True)

    def _name(self) -> None:
        """Raises FileExistsError when somebody was faster; a file system without links cannot tell."""
        try:
            os.link(self._draft, self._target)
        except FileExistsError:
            raise
        except OSError:
            self._draft.rename(self._target)
