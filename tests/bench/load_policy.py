"""Reading a policy of 50 000 wires written in full, and changing one of them: seconds and memory.

python -m tests.bench.load_policy [WIRES]

Reading is a process of its own, best of three: its largest resident set, and what is resident once it is read
beyond what the imports took. The time of one change, with its file written and synced, is the median of 200, beside
50 wires and beside all.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from netctl.policy import Wire
from netctl.policy.source import FileSource

RUNS = 3
CHANGES = 200
MOST_SECONDS = 3.0
MOST_MEGABYTES = 230.0
MOST_KEPT = 60.0
MOST_CHANGE = 0.0003
READ = """
import gc, resource, sys, time
from netctl.policy import load
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
before, start = resident(), time.perf_counter()
loaded = load(sys.argv[1])
seconds = time.perf_counter() - start
gc.collect()
assert not loaded.problems
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, resident() - before)
"""


def policy(wires: int) -> Iterator[str]:
    """Pairs of ports with 4 000 wires between the VLANs of each."""
    pairs = -(-wires // 4000)
    names = ", ".join(f"p{number}" for number in range(2 * pairs))
    yield f"version: 1\nhosts: {{hv1: {{bridges: {{ovbr0: {{ports: [{names}]}}}}}}}}\nwires:"
    for wire in range(wires):
        pair, vlan = divmod(wire, 4000)
        one, other = f"{{port: p{2 * pair}, vlan: {vlan + 1}}}", f"{{port: p{2 * pair + 1}, vlan: {4000 - vlan}}}"
        yield f"  - {{name: w{wire}, ends: [{one}, {other}]}}"


def write(directory: Path, wires: int) -> Path:
    directory.mkdir()
    (directory / "policy.yaml").write_text("\n".join(policy(wires)) + "\n")
    return directory


def reading(directory: Path) -> tuple[float, float, float]:
    """Seconds, the largest resident set, and what is kept, in MB."""
    runs = []
    for _ in range(RUNS):
        done = subprocess.run([sys.executable, "-c", READ, str(directory)], capture_output=True, text=True, check=True)
        seconds, peak, kept = map(float, done.stdout.split())
        runs.append((seconds, peak, kept))
    return min(runs)


def changing(directory: Path) -> tuple[float, float]:
    """Seconds to find the ends of a new wire and to take one out; and to write what is patched then."""
    source = FileSource(directory)
    loaded = source.read()
    patch = loaded.patch
    changes, saves = [], []
    for number in range(CHANGES):
        wire = Wire.model_validate({"name": f"new{number}", "ends": [f"ovbr0/x{number}", f"ovbr0/y{number}"]})
        gone = f"w{number}" if number % 2 else f"new{number - 1}"
        remove = [gone] if gone in loaded.wiring.cables else []
        start = time.perf_counter()
        changed = loaded.wiring.change([wire], remove)
        middle = time.perf_counter()
        patch = loaded.patched(patch, [loaded.wiring.wire(each.name) for each in changed.added], remove)
        source.save(patch)
        changes.append(middle - start)
        saves.append(time.perf_counter() - middle)
    return statistics.median(changes), statistics.median(saves)


def main() -> int:
    wires = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as directory:
        large = write(Path(directory) / "large", wires)
        seconds, peak, kept = reading(large)
        few, few_saved = changing(write(Path(directory) / "small", 50))
        many, many_saved = changing(large)
    print(f"reading {wires} wires      {seconds:6.2f} s   {peak:4.0f} MB at most, {kept:4.0f} MB kept")
    print(f"one wire changed at 50   {few * 1e3:6.3f} ms, written in {few_saved * 1e3:.2f} ms")
    print(f"one wire changed at {wires} {many * 1e3:6.3f} ms, written in {many_saved * 1e3:.2f} ms")
    return int(seconds > MOST_SECONDS or peak > MOST_MEGABYTES or kept > MOST_KEPT or many > MOST_CHANGE)


if __name__ == "__main__":
    sys.exit(main())
