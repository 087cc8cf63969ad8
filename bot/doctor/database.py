"""The database: whole, of this version, and nothing in it that waits for the operator."""

from __future__ import annotations

from importlib import resources

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from bot.config import Settings
from bot.findings import Finding, good, note, risk
from bot.memory.words import why
from storage import memory
from storage.schema import effects, incidents, inputs

AREA = "database"
OVERDUE = 3600  # seconds after which an order to the node that is still open is worth a look
_MONEY = ("make_hold", "settle", "cancel", "pay")


def examine(settings: Settings, now: int) -> list[Finding]:
    file = settings.daemon.data / "holdfast.db"
    if not file.exists():
        return [note(AREA, f"there is no database {file} yet", "`holdfast run` makes it")]
    engine = create_engine(f"sqlite:///file:{file.resolve()}?mode=ro&uri=true", poolclass=NullPool)
    try:
        with engine.connect() as tx:
            found = [_whole(tx), _version(tx)]
            return found if found[1].advice else [*found, *_sealed(tx), *_waiting(tx, now)]
    except DatabaseError as error:
        return [risk(AREA, f"{file} cannot be read: {error.orig}", "stop the daemon and put your backup back")]
    finally:
        engine.dispose()


def _whole(tx: Connection) -> Finding:
    trouble = [row[0] for row in tx.exec_driver_sql("PRAGMA integrity_check(3)") if row[0] != "ok"]
    trouble += [f"{row[0]} row {row[1]} points nowhere" for row in tx.exec_driver_sql("PRAGMA foreign_key_check")][:3]
    if trouble:
        return risk(AREA, f"it is damaged: {'; '.join(trouble)}", "stop the daemon and put your backup back")
    return good(AREA, "every page of it is whole")


def _version(tx: Connection) -> Finding:
    config = Config()
    with resources.as_file(resources.files("storage") / "migrations") as folder:
        config.set_main_option("script_location", str(folder))
        scripts = ScriptDirectory.from_config(config)
        newest = scripts.get_current_head()
        known = {script.revision for script in scripts.walk_revisions()}
    found = MigrationContext.configure(tx).get_current_revision()
    if found == newest:
        return good(AREA, f"its schema is that of this version ({newest})")
    if found in known:
        return note(
            AREA,
            f"its schema is older ({found}, now {newest})",
            "`holdfast run` brings it up to date; back it up first",
        )
    return risk(AREA, f"its schema ({found}) is not known to this version", "use the version of holdfast that wrote it")


def _sealed(tx: Connection) -> list[Finding]:
    found = memory.seal(tx)
    return [risk(AREA, why(found), "docs/OPERATIONS.md, Restoring a backup, tells each step")] if found else []


def _waiting(tx: Connection, now: int) -> list[Finding]:
    found = []
    stuck = tx.execute(select(func.count()).where(inputs.c.state == "stuck")).scalar_one()
    if stuck:
        advice = "their tasks take no commands: update holdfast, start it again and report the incident"
        found.append(risk(AREA, f"{stuck} inputs are stuck by a defect", advice))
    late = effects.c.sort.in_(_MONEY) & (effects.c.state != "done") & (effects.c.started_at.between(1, now - OVERDUE))
    for row in tx.execute(select(effects.c.sort, effects.c.task, effects.c.started_at).where(late).limit(20)):
        hours = (now - row.started_at) // 3600
        advice = f"look at the node; `holdfast show {row.task}` tells the rest"
        found.append(note(AREA, f"{row.sort} of task {row.task} was begun {hours} h ago and is not over", advice))
    told = tx.execute(
        select(incidents.c.code, func.count()).group_by(incidents.c.code).order_by(incidents.c.code)
    ).all()
    if told:
        kinds = ", ".join(f"{code} ({count})" for code, count in told)
        found.append(note(AREA, f"incidents on record: {kinds}", "look into the log at the time of each"))
    return found or [good(AREA, "nothing in it waits for you")]
