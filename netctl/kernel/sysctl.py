"""Settings of the kernel's under /proc/sys/net, which shows those of the namespace that the reading thread is in.

What a setting was before netctl changed it is written down first, so that it can be given back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from netctl import rundir
from netctl.desired.routing import Routing, Sysctl, slashed
from netctl.kernel import netns as namespaces
from netctl.kernel.errors import NamespaceMissing, Refused, SettingMissing, SettingRefused
from netctl.plan import Found

FOLDER = Path("/proc/sys")
RECORD = "sysctls"
"""In the run directory: {"[NETNS/]NAME": {"host", "before", "set"}}. A device that comes again has its own values
again, and what it had `before` counts."""


def recorded(host: str | None) -> dict[str, set[str]]:
    """The names of the settings that netctl changed for `host`, or with None for any, by namespace."""
    found: dict[str, set[str]] = {}
    for label, each in _records().items():
        if host is None or each["host"] == host:
            where, _, name = label.rpartition(" ")
            found.setdefault(where, set()).add(name)
    return found


def look(netns: str, names: Collection[str], changed: Collection[str]) -> list[Found[Routing]]:
    """Those that netctl changed, and those called `names`, which are wanted: their value may be changed whoever set
    it."""
    if not names and not changed:
        return []
    found: list[Found[Routing]] = []
    try:
        with namespaces.entered(netns):
            for name in sorted({*names, *changed}):
                value = _read(name)
                if value is not None:
                    found.append(Found(Sysctl(name, value, netns)))
                elif name not in names:
                    found.append(Found(Sysctl(name, "", netns)))
    except NamespaceMissing:
        pass
    return found


def make(setting: Sysctl, host: str) -> None:
    """Raises NamespaceMissing, SettingMissing, SettingRefused, Refused."""
    with namespaces.entered(setting.netns):
        before = _read(setting.name)
        if before is None:
            raise SettingMissing(setting.name, setting.netns)
        records = _records()
        record = records.get(_label(setting))
        if record is None or record["host"] != host or record["set"] != setting.value:
            records[_label(setting)] = {
                "host": host,
                "before": record["before"] if record else before,
                "set": setting.value,
            }
            _write_records(records)
        _write(setting.name, setting.value)


alter = make


def remove(setting: Sysctl, host: str | None) -> None:
    """Give back what it was before; one that somebody set otherwise since is left as it is.

    Raises SettingRefused, Refused.
    """
    records = _records()
    record = records.get(_label(setting))
    if record is None or (host is not None and record["host"] != host):
        return
    try:
        with namespaces.entered(setting.netns):
            if _read(setting.name) == record["set"]:
                _write(setting.name, record["before"])
    except NamespaceMissing:
        pass
    del records[_label(setting)]
    _write_records(records)


def records(settings: Iterable[Sysctl]) -> dict[str, dict[str, str]]:
    """What is written down of some settings."""
    every = _records()
    return {label: every[label] for label in map(_label, settings) if label in every}


def record(settings: Iterable[Sysctl], before: Mapping[str, Mapping[str, str]]) -> None:
    """Have of some settings written down what `records` told once, and nothing else. Raises Refused."""
    every = _records()
    labels = set(map(_label, settings))
    after = {label: each for label, each in every.items() if label not in labels}
    after |= {label: dict(each) for label, each in before.items()}
    if after != every:
        _write_records(after)


def _label(setting: Sysctl) -> str:
    return f"{setting.netns} {setting.name}" if setting.netns else setting.name


def _records() -> dict[str, dict[str, Any]]:
    """Of namespaces that are gone there is nothing to give back."""
    records = rundir.read_json(RECORD)
    if not isinstance(records, dict):
        return {}
    there = {"", *namespaces.names()}
    return {label: record for label, record in records.items() if label.rpartition(" ")[0] in there}


def _write_records(records: dict[str, dict[str, Any]]) -> None:
    try:
        if records:
            rundir.write_json(RECORD, records)
        else:
            rundir.remove(RECORD)
    except OSError as error:
        raise Refused("writing down what the kernel's settings were", error) from error


def _read(name: str) -> str | None:
    """None where there is no such setting, or none that can be read."""
    try:
        return " ".join((FOLDER / slashed(name)).read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return None


def _write(name: str, value: str) -> None:
    try:
        (FOLDER / slashed(name)).write_text(f"{value}\n", encoding="utf-8")
    except FileNotFoundError:
        raise SettingMissing(name) from None
    except OSError as error:
        raise SettingRefused(name, value, error) from error
