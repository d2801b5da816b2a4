"""netctl's daemons in a box, and what a test asks of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.box import Box, Process

REST = "http://127.0.0.1:8080"

TWO_NAMESPACES = """
version: 1
hosts:
  hv1:
    bridges:
      ovbr0: {datapath: netdev}
    guests:
      ns1: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.1/24]}}}
      ns2: {namespace: true, nics: {eth0: {device: veth, bridge: ovbr0, addresses: [10.99.1.2/24]}}}
wires:
  - [ns1-eth0, ns2-eth0]
"""


class Lab:
    """A box with a policy file, and the daemons that the test starts."""

    def __init__(self, box: Box, python: str = sys.executable) -> None:
        self.box = box
        self.python = python
        self.policy = "/run/policy.yaml"

    def write(self, text: str) -> None:
        """Save the policy as an editor does: a new file in the place of the old one."""
        path = self.box.path(self.policy)
        draft = path.with_suffix(".new")
        draft.write_text(text)
        draft.rename(path)

    def apply(self, text: str) -> None:
        """Make a policy so, without a daemon; the second plan must be empty."""
        self.write(text)
        self.netctl("apply", self.policy)
        done = self.netctl("plan", self.policy, "--exit-code", "--json", check=False)
        assert json.loads(done.stdout)["empty"], done.stdout

    def controller(self, env: Mapping[str, str] | None = None, *arguments: str) -> Process:
        with open(self.box.path("/run/controller.log"), "a") as log:
            return self.box.popen(
                [self.python, "-m", "netctl.manager", "netctl.app", *arguments],
                env={"NETCTL_POLICY": self.policy, **(env or {})},
                stdout=log,
                stderr=log,
            )

    def agent(self) -> Process:
        with open(self.box.path("/run/agent.log"), "a") as log:
            return self.box.popen(
                [sys.executable, "-m", "netctl.cli", "agent", "--policy", self.policy], stdout=log, stderr=log
            )

    def log(self, name: str = "controller") -> str:
        return self.box.path(f"/run/{name}.log").read_text(errors="replace")

    def netctl(self, *arguments: str, check: bool = True, timeout: float = 60) -> Any:
        return self.box.run(
            [sys.executable, "-m", "netctl.cli", *arguments], check=check, timeout=timeout
        )

    def read(self, path: str) -> Any:
        return self.box.read(REST + path)

    def status(self) -> Any:
        return self.read("/api/v1/status")

    def agent_status(self, host: str = "hv1") -> Any:
        path = Path(self.box.path(f"/run/netctl/agent-{host}.json"))
        return json.loads(path.read_text())

    def converged(self, timeout: float = 30) -> None:
        """Wait until controller and agent both say that all is as the policy wants."""

        def done() -> bool:
            return bool(self.status()["converged"] and self.agent_status()["converged"])

        try:
            self.box.wait_for(done, timeout, "controller and agent to converge")
        except AssertionError:
            raise AssertionError(
                f"not converged\n{self.log()[-3000:]}\n---\n{self.log('agent')[-2000:]}\n---\n"
                f"{self._last_status()}"
            ) from None

    def _last_status(self) -> str:
        try:
            return json.dumps([self.status(), self.read("/api/v1/bridges"), self.agent_status()], indent=1)
        except (OSError, AssertionError, ValueError) as error:
            return str(error)

    def ping(self, namespace: str, address: str, within: float = 0.0) -> bool:
        """Whether one echo comes back, tried again for `within` seconds."""
        end = time.monotonic() + within
        while True:
            done = self.box.run(
                f"ip netns exec {namespace} ping -c1 -W1 -i0.2 {address}", check=False, timeout=10
            )
            if done.returncode == 0:
                return True
            if time.monotonic() >= end:
                return False

    def flows(self, bridge: str = "ovbr0") -> list[str]:
        """The flows of a bridge as ovs-ofctl shows them, without what counts and ages."""
        text = self.box.run(["ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", bridge]).stdout
        return sorted(line.strip() for line in text.splitlines() if "actions=" in line)
