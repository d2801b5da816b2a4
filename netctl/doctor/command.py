"""Commands as somebody types them, with their words quoted where a shell would take them apart."""

from __future__ import annotations

import shlex

from netctl.desired.routing import MAIN, Rule, setting_of


def ip(netns: str, *words: object, family: int = 4) -> str:
    """`ip`, for a device, rule or route in a namespace."""
    head = ["ip", *(["-n", netns] if netns else []), *(["-6"] if family == 6 else [])]
    return said(*head, *words)


def sysctl(netns: str, *settings: str) -> str:
    return inside(netns, "sysctl", "-w", *settings)


def inside(netns: str, *words: object) -> str:
    """A command that runs in a namespace."""
    return said(*(["ip", "netns", "exec", netns] if netns else []), *words)


def said(*words: object) -> str:
    return " ".join(shlex.quote(str(word)) for word in words)


def conf(dev: str, name: str, value: int) -> str:
    return f"{setting_of(dev, 4, name)}={value}"


def rule_words(rule: Rule) -> list[str]:
    """What names a rule behind `ip rule add` or `del`."""
    words = ["pref", str(rule.priority), "from", rule.source or "all"]
    if rule.to:
        words += ["to", rule.to]
    words += ["lookup", "main" if rule.table == MAIN else str(rule.table)]
    if rule.suppress_prefixlength is not None:
        words += ["suppress_prefixlength", str(rule.suppress_prefixlength)]
    return words
