"""What is to run inside."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from initramfs import archive, modules
from package import Kernel

HERE = Path(__file__).parent

MATTERS = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TERM|COLORTERM|NO_COLOR|CI|VIRTUAL_ENV|(PYTHON|PYTEST|NETCTL_)\w+"
)
"""The variables that CMD gets: not those that name files in /run or /tmp, which are others inside."""


@dataclass(frozen=True)
class Job:
    """`initramfs` does all of it; on a terminal there is a shell, else output goes out by itself."""

    initramfs: bytes
    terminal: bool

    @classmethod
    def here(cls, command: list[str], kernel: Kernel) -> Job:
        """`command` in this folder with what matters of this environment; a shell where it is empty."""
        terminal = not command
        variables = {k: v for k, v in os.environ.items() if MATTERS.fullmatch(k)} | {"NETCTL_KERNEL_LAB": "1"}
        words = ["exec", "env", "-i", *(f"{k}={v}" for k, v in variables.items()), *(command or ["bash", "-i"])]
        script = f"cd {shlex.quote(os.getcwd())} || exit 125\n{shlex.join(words)}\n"
        if terminal:
            size = shutil.get_terminal_size()
            script = f"stty sane rows {size.lines} cols {size.columns}\n{script}"
        files = {
            "init": (HERE / "init").read_bytes(),
            "inside": (HERE / "inside").read_bytes(),
            "command": script.encode(errors="surrogateescape"),
            "kernel": f"{kernel.modules}\n".encode(),
            "busybox": kernel.busybox.read_bytes(),
        }
        return cls(archive(files | modules(kernel.modules)), terminal)
