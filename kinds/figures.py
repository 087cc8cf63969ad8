"""Amounts, spans and moments as people write and read them; inside, the house counts msat and seconds.

A reader returns None for what it does not surely understand: a guess about money or time is worse than a question.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from kinds import bech32_words
from kinds.units import MSAT_PER_SAT, is_hex64

_AMOUNT = re.compile(r"(\d{1,16}|\d{1,3}(?:[,_]\d{3}){1,5})(k?)(?: ?sats?)?", re.ASCII | re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,6})(m|mins?|minutes?|h|hours?|d|days?|w|weeks?)", re.ASCII | re.IGNORECASE)
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_FIRST_MOMENT, _LAST_MOMENT = 1_000_000_000, 253_402_300_799  # 2001 to 9999; a smaller number is surely not a moment


def looks_like_number(word: str) -> bool:
    """True when a person who wrote this word may have meant a number, in any script."""
    return word.lstrip("+-\u2212.,")[:1].isnumeric()


def read_amount(text: str) -> int | None:
    """Whole sats: 50000, 50_000, 50,000, 50k, each also with the word sats."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    return int(re.sub("[,_]", "", found[1])) * (1000 if found[2] else 1)


def read_span(text: str) -> int | None:
    """Seconds: 90m, 24h, 3d, 2w."""
    found = _SPAN.fullmatch(text)
    return int(found[1]) * _UNITS[found[2][0].lower()] if found else None


def read_moment(text: str, now: int) -> int | None:
    """Unix seconds: a span from now, unix seconds, or an ISO date or time. A bare date ends with its day; times are UTC."""
    span = read_span(text)
    if span is not None:
        return now + span
    if text.isascii() and text.isdigit():
        moment = int(text) if len(text) <= 12 else 0
        return moment if _FIRST_MOMENT <= moment <= _LAST_MOMENT else None
    try:
        named = datetime.fromisoformat(text)
        if len(text) == len("2026-12-31"):
            named += timedelta(days=1, seconds=-1)
        moment = int(named.timestamp() if named.tzinfo else named.replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None
    return moment if _FIRST_MOMENT <= moment <= _LAST_MOMENT else None


def sats_text(msat: int) -> str:
    """50,000 sats; what is below a sat shows as three more digits."""
    sign, (whole, rest) = "-" if msat < 0 else "", divmod(abs(msat), MSAT_PER_SAT)
    digits = f"{whole:,}.{rest:03}" if rest else f"{whole:,}"
    return f"{sign}{digits} {'sat' if digits == '1' else 'sats'}"


def span_text(seconds: int) -> str:
    """The two largest units: 2 d 3 h; 45 min; below a minute, seconds."""
    seconds = max(0, seconds)
    minutes, hours, days = seconds // 60 % 60, seconds // 3600 % 24, seconds // 86400
    for first, first_unit, second, second_unit in ((days, "d", hours, "h"), (hours, "h", minutes, "min")):
        if first:
            return f"{first:,} {first_unit} {second} {second_unit}" if second else f"{first:,} {first_unit}"
    return f"{minutes} min" if minutes else f"{seconds} s"


def moment_text(unix: int) -> str:
    """2026-11-23 14:05 UTC."""
    return datetime.fromtimestamp(min(max(0, unix), _LAST_MOMENT), UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso_text(unix: int) -> str:
    """2026-11-23T14:05:09Z, for tables and machines."""
    return datetime.fromtimestamp(min(max(0, unix), _LAST_MOMENT), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_day(text: str) -> int | None:
    """The first second of a day in UTC, written 2026-12-31; None for anything else."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def left_text(until: int, now: int) -> str:
    if until > now:
        return f"{span_text(until - now)} left"
    return f"over since {span_text(now - until)}" if now - until >= 60 else "over"


def read_npub(text: str) -> str | None:
    """A public key in hex, from npub or hex; None for what is neither, or has a typing error."""
    word = text.strip().lower().removeprefix("nostr:")
    if is_hex64(word):
        return word
    words, sent = word[5 : -bech32_words.CHECKSUM_LETTERS], word[-bech32_words.CHECKSUM_LETTERS :]
    if not word.startswith("npub1") or len(words) != 52 or not bech32_words.is_words(words):
        return None
    if bech32_words.checksum("npub", words) != sent:
        return None
    try:
        return bech32_words.to_bytes(words).hex()
    except ValueError:
        return None


def npub(pubkey: str) -> str:
    """The public key as Nostr clients show it (NIP-19)."""
    words = bech32_words.to_words(bytes.fromhex(pubkey))
    return f"npub1{words}{bech32_words.checksum('npub', words)}"
