"""What the agent says of itself as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from netctl import __version__
from netctl.agent.messages import Sight, Status
from netctl.agent.server import Page

Number = float | int | None


def page(status: Status, sight: Sight, offset: float) -> Page:
    """`offset` is what makes times of the agent's clock seconds since the epoch."""
    registry = CollectorRegistry()
    registry.register(_Said(status, sight, offset))
    return Page(CONTENT_TYPE_LATEST, generate_latest(registry))


class _Said(Collector):
    def __init__(self, status: Status, sight: Sight, offset: float) -> None:
        self._status = status
        self._sight = sight
        self._offset = offset

    def collect(self) -> Iterator[Metric]:
        status, sight, wires = self._status, self._sight, self._status.wires
        info = GaugeMetricFamily("netctl_agent_info", "Which agent this is.", labels=("host", "version", "policy"))
        info.add_metric((status.host, __version__, status.digest), 1)
        yield info
        repairs = CounterMetricFamily(
            "netctl_agent_repairs", "What was put right because the host changed, not the policy.", labels=("kind",)
        )
        for kind, count in sorted(status.repaired.items()):
            repairs.add_metric((kind,), count)
        yield repairs
        yield from self._gauges(
            ("start_timestamp_seconds", "When the agent started.", self._time(status.started)),
            ("policy_timestamp_seconds", "When the policy came into force.", self._time(status.since)),
            ("policy_refused", "Whether the newest version of the policy was refused.", bool(status.refused)),
            ("converged", "Whether the host is as the policy in force says.", status.converged),
            ("problems", "Why it is not, and what is wrong with wires.", len(status.problems) + len(wires.problems)),
            ("fights", "What somebody else changes back again and again.", len(status.fights)),
            ("foreign_taps", "Taps of others at the policy's bridges whose MAC is wrong.", len(status.foreign_taps)),
            ("devices_wanted", "Namespaces, devices and what else of the host the policy asks for.", sight.wanted),
            ("devices_found", "How many of netctl's there were at the last look.", sight.found),
            ("drift", "How many steps the host was away from the policy at the last look.", sight.drift),
            ("last_look_timestamp_seconds", "When the host was looked at last.", self._time(sight.at)),
            ("look_seconds", "How long that took.", sight.took),
            ("plan_seconds", "How long the plan after it took.", sight.plan_took),
            ("bridges_alone", "Bridges without a controller: the agent decides there.", len(wires.alone)),
            ("restore_seconds", "How long the last bridge without flows took.", _seconds(wires.restore_ms)),
        )
        yield from self._counters(
            ("restores", "Bridges that had none of netctl's flows and were filled.", wires.restores),
            ("stood_in", "Changes of flows made because no controller was connected.", wires.stood_in),
        )

    def _gauges(self, *told: tuple[str, str, Number]) -> Iterator[Metric]:
        """Those that are known."""
        for name, text, value in told:
            if value is not None:
                yield GaugeMetricFamily(f"netctl_agent_{name}", text, value=float(value))

    def _counters(self, *told: tuple[str, str, int]) -> Iterator[Metric]:
        for name, text, value in told:
            yield CounterMetricFamily(f"netctl_agent_{name}", text, value=value)

    def _time(self, moment: float | None) -> float | None:
        return None if moment is None else moment + self._offset


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
