"""What the daemon and the plugin inside lightningd say to each other: names of calls, words of states, the plugin's version."""

from __future__ import annotations

from enum import StrEnum

PLUGIN = "holdfast-hold"
API = 1
"""Raised whenever the calls below change their meaning; daemon and plugin must speak the same."""

CREATE = "holdfast-create"
LIST = "holdfast-list"
LOOKUP = "holdfast-lookup"
SETTLE = "holdfast-settle"
CANCEL = "holdfast-cancel"
WAIT = "holdfast-wait"
HEALTH = "holdfast-health"

WAIT_SECONDS = 25
"""A `holdfast-wait` without news is answered after so many seconds."""

BAD_CALL = -32602  # JSON-RPC: invalid params
NO_SUCH_HOLD = 7404
TROUBLE = 7500  # lightningd did not do what the plugin asked of it; nothing was changed, or it is not known whether


class State(StrEnum):
    """A hold as the plugin sees it."""

    OPEN = "open"  # the invoice exists; at most a part of the payment is here
    HELD = "held"  # the whole payment is here
    WAITING = "waiting"  # recorded as held, but lightningd has not handed all of it to this process (again) yet
    SETTLING = "settling"  # decided for good: the preimage is given out; the money has not moved on the channels yet
    SETTLED = "settled"  # lightningd has credited it
    CANCELLED = "cancelled"  # given back, or expired unpaid
    LOST = "lost"  # was held or to be settled, and is on no channel any more though nobody cancelled it


class Installed(StrEnum):
    """How lightningd came to start the plugin."""

    IMPORTANT = "important"  # by important-plugin: as it should be
    PLAIN = "plain"  # by plugin or plugin-dir: held payments go back when the plugin dies, and lightningd goes on
    ABSENT = "absent"  # not in the configuration: after a restart held payments go back before the plugin is there
    UNKNOWN = "unknown"
