"""A connection to the Open_vSwitch database of one switch, and the only way in which netctl changes it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ovs.db.idl import Idl, SchemaHelper, Transaction
from ovs.jsonrpc import Message
from ovs.poller import POLLIN, Poller

from netctl.desired.row import ORDER, Bridge, Observed, Row
from netctl.desired.takeover import GIVEN_BACK, is_adopted
from netctl.ovsdb.observed import observed
from netctl.ovsdb.remote import check, reachable, silence
from netctl.ovsdb.schema import DATABASE, schema
from netctl.ovsdb.transaction import Refused, Writer
from netctl.plan import Found, Key, Plan, Step, delta
from netctl.plan.delta import changes
from netctl.vswitch import START

LOCK = "ovs_vswitchd"
"""The database lock (RFC 7047, 4.1.8) that ovs-vswitchd holds as long as it runs."""

ASK = 5.0
"""Seconds between questions whether ovs-vswitchd runs, while it does."""

ASK_AGAIN = 0.5
"""Seconds between them while it does not."""

MISSING = 1.0
"""Seconds for which it must be missing before that is said: it may be starting again."""

SLOWEST = 8.0
"""Seconds between ovs-vswitchd's attempts to connect to a database that has been away for long."""

BEHIND = 5.0
"""Seconds after which a switch that has not carried out a change of its database is said to be stuck."""

PATIENCE = 0.5
"""Seconds in which a connection may come about before it is said to fail."""

RESTORING = 10.0
"""Seconds that a restore of flows may take before a switch that is still held is said to be stuck."""

RECENT = 2.5
"""Seconds for which an answer that is no database counts: two attempts to connect."""

CONNECTING = 0.02
"""Seconds between two looks at a connection that is coming about."""

BACKOFF = 250
"""Milliseconds between attempts to connect to a socket of this machine; over a network it is 1000."""

HELD = (
    "other_config:flow-restore-wait is set: an ovs-vswitchd that started with it forwards nothing new and takes no "
    "controller until it is cleared, one that runs will do so from its next start on; where nobody is restoring "
    "flows, «ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait» ends that"
)

ATTEMPTS = 5
"""How often a transaction that fell to a lost connection is tried again."""


@dataclass(frozen=True)
class Outcome:
    """What became of a plan."""

    ok: bool
    error: str = ""
    changed: int = 0
    """How many steps are in the database: all or, unless the switch did not act on them, none."""


class Database:
    """The database at `remote` («unix:/PATH» or «tcp:ADDRESS:PORT»), connected and connected again for ever.

    `host` is the host's name in the policy, the value of the mark on every row that is made; None is for
    removing what netctl made for whichever host.

    Not for several threads (or greenthreads) at a time: one calls `wait` and `apply`, others may read
    `observe`, `connected`, `error` and `warning`, which are replaced whole, and call `wake`. Everything that
    waits yields to other greenthreads in a process patched by eventlet. Raises BadRemote.
    """

    def __init__(self, remote: str, host: str | None) -> None:
        check(remote)
        self.remote = remote
        self.host = host
        self.connected = False
        columns = SchemaHelper(schema_json=schema())
        columns.register_all()
        self._idl = Idl(remote, columns, leader_only=False)
        self._idl.cooperative_yield = self._breathe
        self._rows_read = 0
        reconnect = self._idl._session.reconnect
        reconnect.min_backoff = reconnect.max_backoff = BACKOFF if remote.startswith("unix:") else 1000
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._observed = Observed()
        self._seqno = 0
        self._answered = -RECENT
        self._since = time.monotonic()
        self._told: object = (False, self._connecting, "", self._observed)
        self._ask_at = 0.0
        self._asked: str | None = None
        self._missing_since: float | None = None
        self._returns_by = 0.0
        self._behind_since: float | None = None
        self._held_since: float | None = None

    # -- reading

    @property
    def _connecting(self) -> str:
        return f"connecting to {self.remote}"

    @property
    def error(self) -> str:
        """Why there is no connection and what to do about it; empty while there is one."""
        if self.connected:
            return ""
        if time.monotonic() - self._since < PATIENCE and reachable(self.remote):
            return self._connecting
        if time.monotonic() - self._answered < RECENT:
            return f"{self.remote} answers but has no database {DATABASE}: is it Open vSwitch's server?"
        return silence(self.remote)

    @property
    def warning(self) -> str:
        """What is wrong with the switch behind a connected database: it does not act on what it reads."""
        if not self.connected:
            return ""
        if self._missing():
            return f"ovs-vswitchd is not running, changes wait in its database; {START}"
        if self._behind_since is not None and time.monotonic() - self._behind_since > BEHIND:
            return "ovs-vswitchd runs but does not do what its database says; see ovs-vswitchd.log"
        return ""

    @property
    def local_address(self) -> str:
        """This end of a connection over TCP: the address by which the switch's machine reaches this one, or ""."""
        stream = getattr(self._idl._session.rpc, "stream", None)
        if stream is None or not self.remote.startswith("tcp:"):
            return ""
        return str(stream.socket.getsockname()[0])

    def observe(self) -> Observed:
        """What is in the database, as last seen: of before while there is no connection, empty at first."""
        return self._observed

    def ours(self) -> Plan[Row]:
        """The plan that removes everything of netctl's from the database."""
        return delta([], self._observed.rows, ORDER, lambda row: GIVEN_BACK if is_adopted(row) else "netctl made it")

    # -- waiting

    def wait(self, seconds: float) -> bool:
        """Runs the connection for at most `seconds`.

        True as soon as what `observe`, `connected`, `error` or `warning` say has changed since the last True,
        and after `wake`; False when the time is up.
        """
        return self._until(self._news, time.monotonic() + seconds)

    def fileno(self) -> int:
        """Becomes readable when there is something for `wait` to read; -1 while there is no connection."""
        rpc = self._idl._session.rpc
        return -1 if rpc is None or rpc.stream is None else int(rpc.stream.socket.fileno())

    def patience(self) -> float:
        """Seconds after which to `wait` though nothing can be read."""
        poller = Poller()
        self._idl.wait(poller)
        seconds = poller.timeout / 1000 if poller.timeout >= 0 else ASK
        session = self._idl._session
        if self.connected and self._asked is None:
            return float(min(seconds, max(self._ask_at - time.monotonic(), 0.0)))
        if not self.connected and (session.stream is not None or session.rpc is not None):
            return float(min(seconds, CONNECTING))
        return float(seconds)

    def wake(self) -> None:
        """Ends a `wait` that is under way, or the next one. From any thread or greenthread."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        self._idl.close()
        self.connected = False
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1

    # -- writing

    def apply(self, plan: Plan[Row], timeout: float = 10.0) -> Outcome:
        """Carries out the steps of `plan` in one transaction, and waits until the switch has acted on it.

        Takes at most `timeout` seconds. Collisions are the caller's to report. Afterwards `observe` shows the
        result; that the device of a port is missing is no failure, but the `error` of the port's state.
        """
        deadline = time.monotonic() + timeout
        for _ in range(ATTEMPTS):
            if not self._until(lambda: self.connected, deadline):
                return Outcome(False, self.error)
            outcome = self._attempt(plan, deadline)
            if outcome is not None:
                return outcome
        return Outcome(False, f"the connection to {self.remote} was lost again and again")

    def _attempt(self, plan: Plan[Row], deadline: float) -> Outcome | None:
        """None when the connection was lost on the way, so that nobody knows whether it is done."""
        there: dict[Key, Found[Row]] = {found.item.key: found for found in self._observed.rows}
        steps = [step for step in plan.steps if not done(step, there)]
        if not steps:
            return Outcome(True)
        txn = Transaction(self._idl)
        txn.add_comment(f"netctl: {len(steps)} changes{f' of {self.host}' if self.host else ''}")
        try:
            Writer(txn, self._idl.tables, self.host).write(steps)
        except Refused as reason:
            txn.abort()
            return Outcome(False, str(reason))
        if txn.commit() == Transaction.INCOMPLETE:
            self._until(lambda: txn.commit() != Transaction.INCOMPLETE, deadline)
        status = txn.commit()
        if status == Transaction.SUCCESS:
            return self._acted(steps, txn.get_increment_new_value(), deadline)
        if status == Transaction.TRY_AGAIN:
            return None
        if status == Transaction.INCOMPLETE:
            return Outcome(
                False, f"{self.remote} did not answer in time; what became of the change is not known"
            )
        return Outcome(False, blame(steps, txn.get_error()))

    def _acted(self, steps: Sequence[Step[Row]], target: int, deadline: float) -> Outcome:
        """Waits for ovs-vswitchd, no longer than it takes to see that there is none."""
        self._ask_at = 0.0
        self._missing_since = None

        def acted() -> bool:
            return self._cfg()[1] >= target

        self._until(lambda: acted() or self._missing(), deadline)
        if not acted():
            stuck = self.warning or f"ovs-vswitchd did not act in time; is it running? If not, {START}"
            return Outcome(False, f"the change is in the database, but {stuck}", len(steps))
        failed = [
            step.item.name
            for step in steps
            if isinstance(step.item, Bridge)
            and step.verb != "remove"
            and step.item.name in self._observed.bridges
            and self._observed.bridges[step.item.name].dpid is None
        ]
        if failed:
            return Outcome(
                False,
                f"the switch could not make the datapath of bridge {', '.join(failed)}; see ovs-vswitchd.log "
                "(datapath system needs the kernel module openvswitch, datapath netdev does without)",
                len(steps),
            )
        return Outcome(True, "", len(steps))

    # -- the connection

    def _until(self, happened: Callable[[], bool], deadline: float) -> bool:
        while True:
            self._run()
            if happened():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._block(left)

    def _run(self) -> None:
        """Reads what has arrived, sends what is due, and keeps what others read up to date."""
        idl = self._idl
        idl.run()
        answers = idl._session.is_connected()
        connected = answers and idl.state == Idl.IDL_S_MONITORING
        if connected:
            if not self.connected:
                now = time.monotonic()
                self._ask_at = 0.0
                self._returns_by = now + min(now - self._since, SLOWEST)
            if idl.change_seqno != self._seqno or not self.connected:
                self._seqno = idl.change_seqno
                self._observed = observed(idl.tables, self.host)
                wanted, acted = self._cfg()
                if acted >= wanted:
                    self._behind_since = None
                elif self._behind_since is None:
                    self._behind_since = time.monotonic()
                if not self._held():
                    self._held_since = None
                elif self._held_since is None:
                    self._held_since = time.monotonic()
            self._look_after_hold()
            self._ask()
        else:
            self._asked = None
            self._missing_since = None
            if self.connected:
                self._since = time.monotonic()
                self._answered = -RECENT
            elif answers:
                self._answered = time.monotonic()
        self.connected = connected

    def _breathe(self) -> None:
        """Lets others go on while a long answer is read, row by row."""
        self._rows_read += 1
        if self._rows_read % 100 == 0:
            time.sleep(0)

    def _cfg(self) -> tuple[int, int]:
        """The number of the configuration that is wanted, and of the one that the switch has carried out."""
        for root in self._idl.tables["Open_vSwitch"].rows.values():
            return root.next_cfg, root.cur_cfg
        return 0, 0

    def _held(self) -> bool:
        """Whether the database tells an ovs-vswitchd that starts to wait for its flows."""
        return any(
            root.other_config.get("flow-restore-wait", "").lower() == "true"
            for root in self._idl.tables["Open_vSwitch"].rows.values()
        )

    def _look_after_hold(self) -> None:
        held = self._held_since is not None and time.monotonic() - self._held_since > RESTORING
        problems = (HELD,) if held else ()
        if self._observed.problems != problems:
            self._observed = replace(self._observed, problems=problems)

    def _ask(self) -> None:
        """Asks for ovs-vswitchd's lock and gives it back in the same breath: only a free one is granted.

        The server reads both in one go, whatever becomes of this process, so that an ovs-vswitchd that starts
        never has to wait for it.
        """
        idl = self._idl
        if self._asked is not None and idl._lock_request_id != self._asked:
            self._asked = None
            now = time.monotonic()
            if not idl.has_lock:
                self._missing_since = None
            elif self._missing_since is None:
                self._missing_since = max(now, self._returns_by)
            self._ask_at = now + (ASK_AGAIN if idl.has_lock else ASK)
        elif self._asked is None and time.monotonic() >= self._ask_at:
            request = Message.create_request("lock", [LOCK])
            idl._lock_request_id = self._asked = request.id
            idl._session.send(request)
            idl._session.send(Message.create_request("unlock", [LOCK]))

    def _missing(self) -> bool:
        """Whether ovs-vswitchd is known not to run, nor to be on its way back to a database that was away."""
        return self._missing_since is not None and time.monotonic() - self._missing_since >= MISSING

    def _block(self, seconds: float) -> None:
        poller = Poller()
        self._idl.wait(poller)
        poller.fd_wait(self._wake, POLLIN)
        if self.connected and self._asked is None:
            seconds = min(seconds, max(self._ask_at - time.monotonic(), 0.0))
        poller.timer_wait(seconds * 1000)
        poller.block()

    def _news(self) -> bool:
        try:
            os.eventfd_read(self._wake)
            return True
        except BlockingIOError:
            pass
        now = (self.connected, self.error, self.warning, self._observed)
        if now == self._told:
            return False
        self._told = now
        return True


def done(step: Step[Row], there: dict[Key, Found[Row]]) -> bool:
    """Whether the database shows already what the step is for, as after a lost answer."""
    found = there.get(step.key)
    if step.after is None:
        return found is None
    return found is not None and not changes(found.item, step.after)


def blame(steps: Sequence[Step[Row]], error: str) -> str:
    """A transaction's error (RFC 7047, 3.1) as text, behind the step that it names if it names one."""
    try:
        answer = json.loads(error)
        text = f"{answer['details']} ({answer['error']})" if answer.get("details") else str(answer["error"])
    except (ValueError, KeyError, TypeError):
        text = error
    for step in steps:
        if f'"{step.key[-1]}"' in text:
            return f"{step.verb} {step.key[0]} {'/'.join(step.key[1:])}: {text}"
    return f"the database refused all {len(steps)} changes: {text}"
