"""Logs go to stderr, and nothing that must not leak goes with them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from kinds.units import Secret

HIDDEN = "***"
_SUSPICIOUS = re.compile(r"secret|nsec|seed|priv|passw|token|preimage|salt|invoice|key(?!s?_?id)|auth", re.IGNORECASE)
_HARMLESS = frozenset(("pubkey", "input"))  # `input`: the name of an input, made of public ids
_HEX64 = re.compile(r"\b[0-9a-fA-F]{64}\b")
_NSEC = re.compile(r"\bnsec1[02-9ac-hj-np-z]{6,}", re.IGNORECASE)
_INVOICE = re.compile(r"\bln[a-z]{2,8}[0-9]*[munp]?1[02-9ac-hj-np-z]{50,}", re.IGNORECASE)
_NAMED = re.compile(
    r"((?:secret|nsec|seed|private|password|token|preimage|salt)[\w ]{0,12}\W{1,4})[0-9a-fA-F]{64}\b", re.IGNORECASE
)


def masked(name: str, value: Any) -> Any:
    """The value without what must not leak: secrets by their type, keys and invoices by their form, the rest by its name."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, str):
        text = _INVOICE.sub(HIDDEN, _NSEC.sub(HIDDEN, _NAMED.sub(rf"\g<1>{HIDDEN}", value)))
        return _HEX64.sub(HIDDEN, text) if name not in _HARMLESS and _SUSPICIOUS.search(name) else text
    if isinstance(value, bytes):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: masked(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [masked(name, each) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return masked(name, str(value))


def mask(_logger: object, _method: str, said: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A structlog processor; it stands behind the one that makes text of an exception."""
    return {name: each if name.startswith("_") else masked(name, each) for name, each in said.items()}


def start_logging(level: str, json_lines: bool) -> None:
    """structlog and the standard library's logging, through the same processors, to stderr."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json_lines
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("websockets", "asyncio", "alembic", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
