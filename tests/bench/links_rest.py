"""What it costs to answer `/v1.0/topology/links`: 10 000 links, one client after another, on one core.

    python -m tests.bench.links_rest [LINKS]

The server is netctl's own, pinned to one core; the client, on another, reads every octet. Measured are answers per
second over a connection that is kept, ROUNDS times SECONDS, while nothing happens; then while each answer is of a new
snapshot in which the links are the same; then of snapshots whose links changed, which are made anew each time. Beside
it is how many the server's own CPU time is enough for, whatever else the machine does, and what a connection for each
request makes of it.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 2.0
ROUNDS = 5

SERVER = """
import os, sys
from dataclasses import replace
import eventlet
from netctl.api import server
from netctl.api.wsgi import application
from netctl.controller.snapshot import LinkView, Snapshot, SwitchPort, SwitchView

count, mode, core = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
os.sched_setaffinity(0, {core})
half = count // 2
ports = tuple(SwitchPort(n, f"port-{n}", f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", True) for n in range(1, half + 1))
links = tuple(LinkView(*each, n, 1.0) for n in range(1, half + 1) for each in ((1, n, 2), (2, n, 1)))
first = Snapshot(switches=(SwitchView(1, ports), SwitchView(2, ports)), links=links)
seen = 0

def snapshot():
    global seen
    seen += 1
    if mode == "still":
        return first
    if mode == "events":
        return replace(first, revision=seen, switches=tuple(SwitchView(each.dpid, tuple(list(each.ports)))
                                                            for each in first.switches))
    return replace(first, links=links[seen % 2:])

serving = server.serve(application(snapshot, engine="bench"), "127.0.0.1", 0)
print(serving.address[1], flush=True)
eventlet.sleep(3600)
"""


def measure(count: int, mode: str) -> tuple[float, float, float, int]:
    """Answers per second over a kept connection, by the clock and by the server's CPU time; those over new ones; and
    the octets of an answer."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVER, str(count), mode, str(cores[0])],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        port = int(server.stdout.readline())
        kept = [answers(server.pid, port, True) for _ in range(ROUNDS)]
        return (
            statistics.median(clock for clock, _ in kept),
            statistics.median(cpu for _, cpu in kept),
            statistics.median(clock for clock, _ in (answers(server.pid, port, False) for _ in range(ROUNDS))),
            len(read(http.client.HTTPConnection("127.0.0.1", port), count)),
        )
    finally:
        server.kill()
        server.wait()
        os.sched_setaffinity(0, cores)


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(pid: int, port: int, kept: bool) -> tuple[float, float]:
    """By the clock, and by the CPU time that the server used."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    read(connection)
    began, used, count = time.monotonic(), cpu(pid), 0
    while time.monotonic() < began + SECONDS:
        if not kept:
            connection.close()
        read(connection)
        count += 1
    return count / (time.monotonic() - began), count / (cpu(pid) - used)


def read(connection: http.client.HTTPConnection, count: int = 0) -> bytes:
    connection.request("GET", "/v1.0/topology/links")
    body = connection.getresponse().read()
    if count:
        assert abs(len(json.loads(body)) - count) <= 1
    return body


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"{count} links; answers per second, median of {ROUNDS} rounds of {SECONDS:.0f} s")
    for mode, what in (
        ("still", "nothing happens"),
        ("events", "a new snapshot each time, with the same links"),
        ("links", "other links each time"),
    ):
        kept, own, new, octets = measure(count, mode)
        print(
            f"  {what:46} {kept:8.1f}   by CPU time {own:8.1f}   with a connection each {new:8.1f}"
            f"   ({octets / 1e6:.2f} MB an answer)"
        )


if __name__ == "__main__":
    main()
