"""How much one person may say and ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Limits:
    """Against floods; all per pubkey."""

    messages_a_minute: int = 60
    invoices_a_day: int = 100  # over all tasks of one person
    stranger_bits: int = 0  # NIP-13 proof of work asked of those who are in no task
