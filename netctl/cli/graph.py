"""Names of others within the languages of graphs."""

from __future__ import annotations

from netctl.cli.plain import plain


def quoted(text: str) -> str:
    """For Graphviz."""
    escaped = plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def entities(text: str) -> str:
    """Mermaid's entity codes; whatever else it would read as its own is harmless within quotes."""
    return '"' + plain(text).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;") + '"'
