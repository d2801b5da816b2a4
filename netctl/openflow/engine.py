"""The one place that knows which OpenFlow engine runs: genuine Ryu, or os-ken, its maintained continuation.

`NETCTL_ENGINE` (ryu or os-ken) chooses; without it, Ryu where it is installed, else os-ken. Both run on
eventlet. Importing this module imports the engine, so only the controller does that.

An application is told of its switches like this:

    class Application(engine.App):
        @engine.set_ev_cls(engine.EventState, [engine.MAIN, engine.DEAD])
        def state(self, event): ...    # event.datapath is a Switch, event.state is MAIN (up) or DEAD (down)

        @engine.set_ev_cls(engine.EventReply, engine.MAIN)
        def reply(self, event): ...    # event.msg.buf answers a session.Exchange, from event.msg.datapath

        @engine.set_ev_cls(engine.EventPortStatus, engine.MAIN)
        def port(self, event): ...     # port.status(event.msg.buf)

        engine.on_packet_in(self.heard)    # heard(datapath, message), of a flow with the cookie of netctl

A switch that connects again is MAIN before its old connection is DEAD: compare the datapath, not its id.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from netctl.controller.snapshot import SwitchPort
from netctl.desired.flow import COOKIE
from netctl.openflow import port
from netctl.openflow.frame import BARRIER_REPLY, ERROR, EXPERIMENTER, MULTIPART_REPLY, PACKET_IN, XID
from netctl.openflow.frame import VERSION as OFP_VERSION
from netctl.openflow.listen import Listener
from netctl.openflow.packet_in import COOKIE_AT

PACKAGES = {"ryu": "ryu", "os-ken": "os_ken"}

ECHO_SECONDS = 2.0
ECHOES_UNANSWERED = 3
"""A switch that answers none of so many echo requests, one every ECHO_SECONDS, is given up: within 8 s."""

PROBE_SECONDS = 1.0

LISTEN_HOST = "127.0.0.1"
LISTEN_PORT = 6653
"""IANA's port for OpenFlow, for TCP and TLS."""


class EngineMissing(ImportError):
    """No engine, or not the one that was asked for; the message says what to install."""


def choose(wanted: str | None) -> str:
    """The engine to use, "ryu" or "os-ken"."""
    if wanted:
        if wanted not in PACKAGES:
            raise EngineMissing(f"NETCTL_ENGINE is «{wanted}»; it can be ryu or os-ken")
        if not _installed(wanted):
            there = [name for name in PACKAGES if _installed(name)]
            raise EngineMissing(
                f"NETCTL_ENGINE asks for {wanted}, which is not installed in this Python; "
                + (f"unset it to use {there[0]}" if there else "pip install os-ken")
            )
        return wanted
    for name in PACKAGES:
        if _installed(name):
            return name
    raise EngineMissing("no OpenFlow engine is installed in this Python: pip install os-ken")


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return importlib.util.find_spec(PACKAGES[name]) is not None


def _repair(name: str) -> None:
    """What has to be so before the engine is first imported."""
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    if name == "os-ken":
        os.environ["OSKEN_HUB_TYPE"] = "eventlet"
        return
    os.environ["RYU_HUB_TYPE"] = "eventlet"
    wsgi = importlib.import_module("eventlet.wsgi")
    if not hasattr(wsgi, "ALREADY_HANDLED"):
        wsgi.ALREADY_HANDLED = object()  # type: ignore[attr-defined]


NAME = choose(os.environ.get("NETCTL_ENGINE"))
VERSION = metadata.version(NAME)

_repair(NAME)


def module(name: str) -> Any:
    """A module of the engine, e.g. «controller.ofp_event»."""
    return importlib.import_module(f"{PACKAGES[NAME]}.{name}")


AppManager = module("base.app_manager").AppManager
hub = module("lib.hub")
cfg = module("cfg")
CONF = cfg.CONF
ofp_event = module("controller.ofp_event")
ofproto_v1_3 = module("ofproto.ofproto_v1_3")
_controller = module("controller.controller")
_handler = module("controller.handler")
_messages = module("ofproto.ofproto_parser")
_parser = module("ofproto.ofproto_v1_3_parser")

HANDSHAKE: str = _handler.HANDSHAKE_DISPATCHER
CONFIG: str = _handler.CONFIG_DISPATCHER
MAIN: str = _handler.MAIN_DISPATCHER
DEAD: str = _handler.DEAD_DISPATCHER

Method = TypeVar("Method", bound=Callable[..., None])


class Switch(Protocol):
    """A connection to a switch, the engine's Datapath."""

    id: int | None
    """The datapath id; None before the switch told it (a connection can die before it did)."""
    address: tuple[Any, ...]
    ports: Mapping[int, Any]

    def send(self, data: bytes) -> bool:
        """Queue whole messages. False when the connection is gone. Waits while 16 calls are queued: send
        few and large ones."""
        ...

    def close(self) -> None: ...


if TYPE_CHECKING:

    class App:
        """The base class of applications: RyuApp or OSKenApp."""

        OFP_VERSIONS: Sequence[int]
        name: str
        logger: logging.Logger
        threads: list[Any]
        """Greenthreads that `stop` waits for."""
        is_active: bool

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...
        def start(self) -> Any: ...
        def stop(self) -> None: ...
        def close(self) -> None: ...
        def send_event(self, name: str, ev: Any, state: str | None = None) -> None: ...

    def set_ev_cls(ev_cls: Any, dispatchers: str | list[str] | None = None) -> Callable[[Method], Method]:
        """Make a method the handler of an event, in the states of the connection that are named."""

else:
    App = getattr(module("base.app_manager"), "RyuApp" if NAME == "ryu" else "OSKenApp")
    set_ev_cls = _handler.set_ev_cls


_MsgBase: Any = _messages.MsgBase


class OFPNetctlReply(_MsgBase):  # type: ignore[misc]
    """A message that answers one of netctl's own (by its transaction id), as raw bytes in `buf`."""

    cls_msg_type = None

    def set_headers(self, version: int, msg_type: int, msg_len: int, xid: int) -> None:
        self.version, self.msg_type, self.msg_len, self.xid = version, msg_type, msg_len, xid


ofp_event._create_ofp_msg_ev_class(OFPNetctlReply)

EventState: Any = ofp_event.EventOFPStateChange
EventReply: Any = ofp_event.EventOFPNetctlReply
EventPortStatus: Any = ofp_event.EventOFPPortStatus

_hearers: list[Callable[[Switch, bytes], None]] = []


def on_packet_in(hear: Callable[[Switch, bytes], None]) -> None:
    """Have `hear` called with each packet-in that a flow of netctl's sent, as raw bytes, right when it comes: there may
    be thousands in a second, and an event for each takes ten times as long. It must not raise nor wait."""
    _hearers.append(hear)


_REPLIES = frozenset((ERROR, EXPERIMENTER, MULTIPART_REPLY, BARRIER_REPLY))
_MARK = COOKIE.to_bytes(8, "big")[:4]
_parse_all = _parser.msg_parser


@_messages.register_msg_parser(OFP_VERSION)  # type: ignore[untyped-decorator]
def _parse(datapath: Any, version: int, msg_type: int, msg_len: int, xid: int, buf: bytes) -> Any:
    """Leave alone what answers an Exchange, and what flows of netctl's send: the engine's parser is slow, and drops
    what it cannot read. What other applications' flows send is theirs, and nobody's where there is none that hears
    it."""
    if msg_type == PACKET_IN:
        if bytes(buf[COOKIE_AT]) == _MARK:
            for hear in _hearers:
                hear(datapath, bytes(buf))
            return None
        if not datapath.ofp_brick.observers.get(ofp_event.EventOFPPacketIn):
            return None
    if xid & XID and msg_type in _REPLIES:
        return OFPNetctlReply.parser(datapath, version, msg_type, msg_len, xid, buf)
    return _parse_all(datapath, version, msg_type, msg_len, xid, buf)


def _set_xid(datapath: Any, msg: Any) -> int:
    """Keep the engine's transaction ids out of the half that is netctl's."""
    xid: int = (datapath.xid + 1) & (XID - 1)
    datapath.xid = xid
    msg.set_xid(xid)
    return xid


_controller.Datapath.set_xid = _set_xid
_controller.StreamServer = Listener


def ports(switch: Switch) -> tuple[SwitchPort, ...]:
    """What the switch told of its ports in the handshake."""
    return tuple(
        SwitchPort(
            number,
            each.name.decode("utf-8", "replace").rstrip("\0"),
            each.hw_addr,
            *port.light(each.config, each.state),
            each.curr_speed or None,
        )
        for number, each in sorted(switch.ports.items())
    )


def _register() -> None:
    """Options with Ryu's names. Defaults differ where Ryu's would listen to the whole network."""
    module("topology.switches")
    if NAME == "ryu":
        module("app.wsgi")
    ours = [
        cfg.StrOpt(
            "ofp-listen-host",
            default=LISTEN_HOST,
            help=f"OpenFlow listen address (default {LISTEN_HOST}; Ryu's own is 0.0.0.0, every network)",
        ),
        cfg.IntOpt("ofp-tcp-listen-port", default=LISTEN_PORT, help=f"for TCP (default {LISTEN_PORT})"),
        cfg.IntOpt("ofp-ssl-listen-port", default=LISTEN_PORT, help=f"for TLS (default {LISTEN_PORT})"),
        cfg.StrOpt("wsapi-host", default=LISTEN_HOST, help=f"REST listen address (default {LISTEN_HOST})"),
        cfg.IntOpt("wsapi-port", default=8080, help="REST listen port (default 8080)"),
    ]
    CONF.unregister_opts(ours)
    CONF.register_cli_opts(ours)
    CONF.register_cli_opts(
        [
            cfg.StrOpt("policy", help="file or directory (default $NETCTL_POLICY, ./flows, /etc/netctl/flows)"),
            cfg.StrOpt("advertise", help="the address of this controller as the switches reach it"),
            cfg.StrOpt("token-file", help="the token for changes (default $NETCTL_TOKEN_FILE, /var/lib/netctl/token)"),
            cfg.FloatOpt(
                "probe-interval",
                default=PROBE_SECONDS,
                min=0.2,
                max=60,
                help=f"seconds between two probes of a port for links (default {PROBE_SECONDS:g})",
            ),
            cfg.BoolOpt("insecure", default=False, help="let the REST API listen beyond loopback without TLS"),
        ],
        group="netctl",
    )
    CONF.set_default("echo_request_interval", ECHO_SECONDS)
    CONF.set_default("maximum_unreplied_echo_requests", ECHOES_UNANSWERED)


_register()
