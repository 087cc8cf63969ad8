"""Secrets in public: invoices, private keys, preimages and payment hashes before their time.

What the daemon says itself is a violation. What people wrote in their own words is quoted by it, and only noted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from verifier.chain import Chain
from verifier.crypto import Event, read_json
from verifier.findings import Code, Finding
from verifier.standing import Standing

_SECRET = re.compile(
    r"(?P<key>nsec1[02-9ac-hj-np-z]{50,})|(?P<invoice>ln(?:bcrt|bc|tbs|tb|sb|play)[0-9]*[munp]?1[02-9ac-hj-np-z]{50,})",
    re.IGNORECASE,
)
_HEX64 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_PEOPLES_WORDS = frozenset(
    {"title", "mime", "milestones", "sha256", "key_hash"}
)  # a worker may name any hash, also that of his invoice


def in_chain(s: Standing, chain: Chain) -> None:
    opened = dict(reversed(s.opened))
    for entry in chain.entries:
        say = s.sayer(entry)
        own = list(_texts({name: value for name, value in entry.facts.items() if name not in _PEOPLES_WORDS}))
        for text in own:
            if what := secret(text):
                say(Code.SECRET_LEAK, f"{what} in public")
            for word in _HEX64.findall(text):
                if opened.get(word, 0) > entry.seq:
                    say(Code.SECRET_LEAK, "a payment hash before its end")
                opens = hashlib.sha256(bytes.fromhex(word)).hexdigest()
                if opened.get(opens, 0) > entry.seq:
                    say(Code.SECRET_LEAK, "a preimage before the settlement")
                if (
                    opens in s.key_hashes and opens not in opened
                ):  # a worker may take for a key what his own payment shows
                    say(Code.SECRET_LEAK, "the key of sealed work")
        quoted = [entry.embedded, {name: entry.facts.get(name) for name in _PEOPLES_WORDS}]
        if any(secret(text) for text in _texts(quoted)):
            s.warn(entry, Code.SECRET_QUOTED, "a person has published an invoice or a key in his own words")


def in_event(event: Event, task: str) -> Iterator[Finding]:
    """In anything else that the daemon publishes."""
    try:
        said = read_json(event.content)
    except ValueError:
        said = event.content
    if isinstance(said, dict):
        said = {name: value for name, value in said.items() if name not in _PEOPLES_WORDS}
    for what in {secret(text) for text in _texts([said, event.tags])} - {""}:
        yield Finding(Code.SECRET_LEAK, f"{what} in public", task, 0, event.id)


def secret(text: str) -> str:
    """What kind of secret stands in this text, or ''."""
    found = _SECRET.search(text)
    return "" if found is None else "a private key" if found["key"] else "an invoice"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
