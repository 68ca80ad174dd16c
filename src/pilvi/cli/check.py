"""`pilvi check`: is everything that was stored still there, as it was stored?"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from pilvi import services
from pilvi.cli import mastered, terminal
from pilvi.cli.progress import progress
from pilvi.cli.terminal import BOLD, DIM, GREEN, RED, YELLOW, styled
from pilvi.config import MASTER_KEY_BYTES, MASTER_KEY_FILE, Config, Exit, StartError
from pilvi.core import caller as callers
from pilvi.core.clock import RandomIds, SystemClock
from pilvi.core.context import Context, RequestInfo
from pilvi.core.errors import ServiceUnavailable
from pilvi.core.operation import Service
from pilvi.gateway.cloud import LocalCloud
from pilvi.identity.identity import Identity
from pilvi.state.checks.check import check, repair
from pilvi.state.checks.findings import HARMLESS, Finding, Kind, Summary
from pilvi.state.checks.wanted import Wanted
from pilvi.state.errors import FolderInUse, NewerData, UnusableData
from pilvi.state.layout import Layout
from pilvi.state.store import OutboxEntry, Record, Tx

NO_KEY = "the master key is not here: what is encrypted was checked as it is stored, and cannot be read without the key"


def run(config: Config, *, mend: bool, quick: bool, as_json: bool) -> int:
    """Tells what it finds as it finds it; the exit code says what that means."""
    tell, key = _as_json if as_json else _as_text, _master_key(config)
    with refusals(config.data):
        known = mastered.remembered(config.data)
        mastered.refuse_another(config.data, known, key, "give the right one, or none to leave out what it opens")
    wanted = _wanted(config, quick=quick)
    with refusals(config.data), progress() as shown:
        summary = (repair if mend else check)(config.data, wanted, shown.around(tell), shown.watch)
    if as_json:
        terminal.say(msgspec.json.encode({"summary": summary}).decode())
    else:
        _say(summary, config.data)
    if known and not key:
        terminal.complain(f"{NO_KEY} (PILVI_MASTER_KEY, or {config.data / MASTER_KEY_FILE})")
    if summary.damage:
        return Exit.DAMAGED
    if known and not key:
        return Exit.MASTER_KEY
    return Exit.REPAIRED if summary.repaired.keys() - HARMLESS else Exit.OK


@contextmanager
def refusals(data: Path) -> Iterator[None]:
    """What the folder cannot be, as one line."""
    try:
        yield
    except FolderInUse:
        message = f"a cloud runs on {data}: stop it with `pilvi down` first (without --repair it can go on)"
        raise StartError(message, Exit.FOLDER_IN_USE) from None
    except NewerData as error:
        raise StartError(f"{data}: {error}", Exit.FOLDER_NEWER) from None
    except UnusableData as error:
        raise StartError(f"{data}: {error}", Exit.FOLDER_UNUSABLE) from None


def layouts_of(found: dict[str, Service]) -> dict[type[Record], Layout[Any]]:
    """How all records of these services lie in the database."""
    records: list[type[Record]] = [record for service in found.values() for record in service.records]
    records.append(OutboxEntry)
    return {record: Layout(record) for record in records}


def _wanted(config: Config, *, quick: bool) -> Wanted:
    found = services.discover()
    return Wanted(
        layouts=layouts_of(found),
        inspectors={inspector.record: inspector for service in found.values() for inspector in service.inspectors},
        topics=frozenset(delivery.topic for service in found.values() for delivery in service.deliveries),
        context=_contexts(config, found),
        quick=quick,
    )


def _contexts(config: Config, found: dict[str, Service]) -> Callable[[Tx], Context]:
    """Contexts for inspectors: they may look at everything, and open what is encrypted where its key is here."""
    ids, now_ms = RandomIds(), SystemClock().now_ms()
    master_key = _master_key(config)
    directory = next(service.directory for service in found.values() if service.directory is not None)
    identity = Identity(master_key or bytes(32), directory, ids)
    cloud = (LocalCloud if master_key else _Keyless)(found, identity, frozenset, master_key)
    request = RequestInfo("pilvi-check", config.region, "", {})
    return lambda tx: Context(tx, callers.service("pilvi.internal", config.account), request, now_ms, ids, cloud)


def _master_key(config: Config) -> bytes:
    """As the server would take it; b"" when it is not here."""
    if config.master_key is not None:
        return config.master_key.secret
    try:
        found = (config.data / MASTER_KEY_FILE).read_bytes()
    except OSError:
        return b""
    if len(found) != MASTER_KEY_BYTES:
        raise StartError(f"{config.data / MASTER_KEY_FILE} is damaged: restore it from a backup", Exit.MASTER_KEY)
    return found


class _Keyless(LocalCloud):
    """A cloud whose master key is not here."""

    def secret(self, purpose: str) -> bytes:  # noqa: ARG002 - whatever it is for
        raise ServiceUnavailable("The master key is not here.")


_SHADES = {Kind.UNVERIFIED: DIM, Kind.LEFTOVER: DIM}


def _as_text(finding: Finding) -> None:
    shade = _SHADES.get(finding.kind, YELLOW if finding.repaired else RED)
    done = "  (repaired)" if finding.repaired else ""
    terminal.say(f"{styled(f'{finding.kind.value:13}', shade)} {finding.where}: {finding.what}{done}")


def _as_json(finding: Finding) -> None:
    terminal.say(msgspec.json.encode(finding).decode())


def _say(summary: Summary, data: Path) -> None:
    counts = ", ".join(f"{summary.checked.get(name, 0):,} {name}" for name in ("records", "blobs", "files", "bytes"))
    terminal.say(f"looked at {counts} in {data}{' (a cloud runs on it)' if summary.running else ''}")
    for title, found in (
        ("harmless", summary.harmless),
        ("repaired", summary.repaired),
        ("damaged", summary.damage),
    ):
        if found:
            terminal.say(f"{title}: " + ", ".join(f"{count:,} x {kind}" for kind, count in sorted(found.items())))
    if summary.damage:
        terminal.say(styled("damage was found", RED, BOLD) + _advice(summary))
    elif summary.repaired.keys() - HARMLESS:
        terminal.say(styled("everything that was wrong is repaired", YELLOW, BOLD))
    else:
        terminal.say(styled("everything is as it was stored", GREEN, BOLD))


def _advice(summary: Summary) -> str:
    """What can be done about it, where that is not said by what was found."""
    if summary.damage.get(Kind.HOLDER):
        return ": upload again what is named as holder, or restore a backup"
    return ""
