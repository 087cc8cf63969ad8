"""The process of `holdfast-hold`, started by lightningd through the launcher that `holdfast cln-plugin install` writes."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import time
from collections.abc import Callable

from bot.nodes.cln.plugin.shell import Shell


def main(clock: Callable[[], float] = time.time) -> None:
    """Until lightningd closes our standard input. `clock` gives unix seconds."""
    logging.getLogger("holdfast").setLevel(logging.INFO)  # pyln hands it on to lightningd's log
    Shell(clock, sys.argv[0], importlib.metadata.version("holdfast")).run()
