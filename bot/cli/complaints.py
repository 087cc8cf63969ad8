"""Every failure of a command as one sentence on stderr and an exit code: 1 refused or violated, 2 wrong usage."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from sqlalchemy.exc import DatabaseError

from bot.cli.logs import masked
from bot.client import Away, NoBasis, NotTaken, Waited
from bot.config import BadConfig
from bot.memory.lease import KeyInUse
from bot.nodes.base import NodeAway
from bot.nodes.opening import OtherNode
from bot.nodes.preimages import BadKeyFile
from bot.relays.embedded import NoRelay
from bot.relays.values import BadRelayUrl
from kinds.codes import BadWord
from kinds.wording import en
from storage.open import InUse, OtherSchema

REFUSED, USAGE = 1, 2
P = ParamSpec("P")
R = TypeVar("R")


class Complaint(Exception):
    """Something that the person should know; the text is for him."""

    def __init__(self, sentence: str, code: int = REFUSED) -> None:
        super().__init__(sentence)
        self.code = code


_REFUSALS = (Away, NoBasis, NotTaken, Waited, NodeAway, OtherNode, NoRelay, InUse, KeyInUse, OtherSchema)
_MISUSES = (BadConfig, BadKeyFile, BadRelayUrl)


def complaint_of(error: BaseException) -> Complaint:
    """The sentence for whatever went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case Complaint():
            return error
        case BadWord():
            return Complaint(en.sentence(error.code, error.facts, int(time.time())), USAGE)
        case KeyboardInterrupt():
            return Complaint("stopped")
        case DatabaseError():
            return Complaint(f"the database cannot be used: {error.orig}; `holdfast doctor` examines it")
        case OSError():
            return Complaint(f"{error.filename or 'the system'}: {error.strerror or error}")
    if isinstance(error, _MISUSES):
        return Complaint(str(error), USAGE)
    if isinstance(error, _REFUSALS):
        return Complaint(str(error))
    told = masked("error", f"{type(error).__name__}: {error}")
    return Complaint(f"something is broken in holdfast ({told}); HOLDFAST_TRACEBACK=1 shows where")


def friendly(command: Callable[P, R]) -> Callable[P, R]:
    """Wraps a command, so that it ends by a sentence and an exit code and never by a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except (Exception, KeyboardInterrupt) as error:
            if os.environ.get("HOLDFAST_TRACEBACK"):
                raise
            found = complaint_of(error)
            typer.echo(f"holdfast: {found}", err=True)
            raise typer.Exit(found.code) from None

    return wrapped
