"""Where a change of the policy's files shows: the directories to listen at."""

from __future__ import annotations

import os
from pathlib import Path

from netctl.kernel.watch import Names
from netctl.policy.load import files_of
from netctl.policy.source import FileSource


def directories(source: FileSource) -> dict[Path, Names]:
    """Those in which the policy is, its files, and what symbolic links lead to, each with the names that matter there.

    Cheap enough to ask every few seconds.
    """
    policy = Path(os.path.abspath(source.path))
    try:
        files = files_of(policy)
    except (OSError, ValueError):
        files = []
    names: dict[Path, set[str]] = {}
    for path in (policy, Path(os.path.abspath(source.patch_file)), *files):
        for each in {path, Path(os.path.realpath(path))}:
            names.setdefault(each.parent, set()).add(each.name)
    found: dict[Path, Names] = {folder: frozenset(each) for folder, each in names.items()}
    if policy.is_dir():
        found |= dict.fromkeys({policy, Path(os.path.realpath(policy))})
    return found
