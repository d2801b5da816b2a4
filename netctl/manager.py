"""The `ryu-manager` command: runs Ryu applications, netctl's among them, on genuine Ryu or on os-ken.

    ryu-manager netctl.app [APP...] [OPTION...]

takes Ryu's options (--help lists them), runs what is named, and ends with exit code 0 on SIGTERM or SIGINT, 1
when it cannot go on (the port is taken), 2 on bad input (no such application, no such option). NETCTL_ENGINE
chooses ryu or os-ken; without it, Ryu where it is installed. What differs from Ryu's own command:

- it works with the eventlet of today, and on os-ken, which has no such command;
- --ofp-listen-host and --wsapi-host default to 127.0.0.1: Ryu's 0.0.0.0 lets every network in;
- the old port 6633 is not listened on beside 6653, and TLS (--ctl-privkey, --ctl-cert) defaults to 6653 too;
- switches that do not answer are given up after some seconds.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from netctl import __version__

LOG = logging.getLogger("netctl.manager")

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

CLOSE_SECONDS = 5.0
"""How long applications have to end."""

GOOD, FAILED, BAD_INPUT = 0, 1, 2


class Unusable(Exception):
    """Something that was asked for cannot be had. `code` is the exit code."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.code = code


def main(argv: Sequence[str] | None = None) -> int:
    """Run the applications that `argv` (default: the command line) names until a signal; the exit code."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except Unusable as error:
        print(f"ryu-manager: {error}", file=sys.stderr)
        return error.code


def _run(argv: list[str]) -> int:
    engine = _engine()
    apps = _options(engine, argv)
    _log(engine)
    with _signals() as (signalled, wake), _pid_file(engine.CONF.pid_file):
        manager = engine.AppManager.get_instance()
        try:
            for thread in _start(engine, manager, apps):
                thread.link(lambda _: wake.send(b"\0"))
            number = signalled.recv(1)[0]
        finally:
            _close(engine, manager)
    if number:
        LOG.info("ended by %s", signal.Signals(number).name)
        return GOOD
    raise Unusable("a server ended; the log says why", FAILED)


def _engine() -> ModuleType:
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    try:
        import eventlet

        eventlet.monkey_patch()
        from netctl.openflow import engine
    except ImportError as error:
        raise Unusable(str(error), BAD_INPUT) from None
    return engine


def _options(engine: Any, argv: list[str]) -> list[str]:
    """Read the command line and the configuration file into CONF; the applications to run."""
    cfg, conf = engine.cfg, engine.CONF
    engine.module("log")
    if engine.NAME == "ryu":
        engine.module("flags")
    conf.register_cli_opts(
        [
            cfg.ListOpt("app-lists", default=[], help="applications to run, by module name, with commas between"),
            cfg.MultiStrOpt("app", positional=True, default=[], help="an application to run, by module name"),
            cfg.StrOpt("pid-file", help="where to write the process id"),
            cfg.StrOpt("user-flags", help="a Python file that registers options of applications"),
        ]
    )
    _user_flags(argv)
    ryu_conf = "/usr/local/etc/ryu/ryu.conf"
    from oslo_config import cfg as oslo

    try:
        conf(
            args=argv,
            prog="ryu-manager",
            project="ryu",
            description="Runs Ryu applications, e.g. netctl.app.",
            version=f"ryu-manager of netctl {__version__} on {engine.NAME} {engine.VERSION}",
            default_config_files=[ryu_conf] if os.path.exists(ryu_conf) else None,
        )
    except oslo.ConfigFilesNotFoundError as error:
        raise Unusable(f"no configuration file {', '.join(error.config_files)}", BAD_INPUT) from None
    except SystemExit as error:
        raise SystemExit(BAD_INPUT if error.code else GOOD) from None
    except (oslo.Error, UnicodeDecodeError) as error:
        raise Unusable(f"configuration: {error}", BAD_INPUT) from None
    named = [name for each in conf.app_lists + conf.app for name in each.split(",") if name]
    if not named:
        raise Unusable("no application is named; «ryu-manager netctl.app» runs netctl's controller", BAD_INPUT)
    return named


def _user_flags(argv: list[str]) -> None:
    """Run the file that --user-flags names: it registers options, so it comes before they are read."""
    for number, word in enumerate(argv):
        name, given, path = word.partition("=")
        if name != "--user-flags":
            continue
        path = path if given else "".join(argv[number + 1 : number + 2])
        spec = importlib.util.spec_from_file_location("user_flags", path)
        if not os.path.isfile(path) or spec is None or spec.loader is None:
            raise Unusable(f"--user-flags: no Python file {path}", BAD_INPUT)
        try:
            spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except Exception as error:
            raise Unusable(f"--user-flags {path}: {_say(error)}", BAD_INPUT) from error


def _log(engine: Any) -> None:
    """Ryu's log options; what it prints has the time, the level and the name in front."""
    try:
        engine.module("log").init_log()
    except (OSError, ValueError, KeyError) as error:
        raise Unusable(f"the log cannot be set up: {_say(error)}", BAD_INPUT) from None
    if not engine.CONF.log_config_file:
        for handler in logging.getLogger().handlers:
            handler.setFormatter(logging.Formatter(FORMAT))


@contextlib.contextmanager
def _signals() -> Iterator[tuple[Any, Any]]:
    """A pair of sockets: SIGTERM and SIGINT come out of the first as their number.

    An exception from a handler would end whichever greenthread happens to run.
    """
    from eventlet.green import socket

    reader, writer = socket.socketpair()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    old = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield reader, writer
    finally:
        for each, handler in old.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(before)


@contextlib.contextmanager
def _pid_file(path: str | None) -> Iterator[None]:
    if path:
        try:
            Path(path).write_text(f"{os.getpid()}\n", encoding="ascii")
        except OSError as error:
            raise Unusable(f"--pid-file: {_say(error)}", BAD_INPUT) from None
    try:
        yield
    finally:
        if path:
            Path(path).unlink(missing_ok=True)


def _start(engine: Any, manager: Any, apps: list[str]) -> list[Any]:
    """Load and start the applications and what they ask for; the servers, greenthreads that must not end."""
    _load(engine, manager, apps)
    openflow = engine.module("controller.ofp_handler").__name__ in manager.applications_cls
    if openflow:
        _try_port(engine)
    try:
        contexts = manager.create_contexts()
        if "wsgi" in contexts and "netctl.app" in manager.applications_cls:
            raise Unusable(
                "netctl.app serves the web itself, on the port that another application here wants as well; run that "
                "one by a ryu-manager of its own, with other --wsapi-port and --ofp-tcp-listen-port",
                BAD_INPUT,
            )
        manager.instantiate_apps(**contexts)
        servers = [manager.applications["ofp_event"].main_thread] if openflow else []
        servers += _start_web(engine, manager)
    except SystemExit as error:
        raise Unusable(str(error), BAD_INPUT) from None
    except Unusable:
        raise
    except Exception as error:
        LOG.debug("an application did not start", exc_info=True)
        raise Unusable(f"an application did not start: {_say(error)}", FAILED) from error
    return servers


def _start_web(engine: Any, manager: Any) -> list[Any]:
    """Ryu's own web server, where an application asks for it (os-ken has none)."""
    if engine.NAME != "ryu" or "wsgi" not in manager.contexts:
        return []
    from netctl.openflow.listen import Listener

    host, port = engine.CONF.wsapi_host, engine.CONF.wsapi_port
    try:
        Listener.check(host, port)
    except (OSError, OverflowError) as error:
        raise Unusable(
            f"cannot listen for web clients on {host}:{port}: {_say(error)}; --wsapi-port and --wsapi-host choose "
            "another place",
            FAILED,
        ) from None
    return [engine.hub.spawn(engine.module("app.wsgi").start_service(manager))]


def _load(engine: Any, manager: Any, apps: list[str]) -> None:
    load_app = manager.load_app

    def load(name: str) -> Any:
        try:
            if os.path.isfile(name):
                compile(Path(name).read_bytes(), name, "exec")
            found = load_app(name)
        except Exception as error:
            LOG.debug("%s cannot be imported", name, exc_info=True)
            hint = ""
            if engine.NAME == "os-ken" and isinstance(error, ModuleNotFoundError) and error.name == "ryu":
                hint = "; it needs genuine Ryu, and this is os-ken"
            raise Unusable(f"cannot run {name}: {_say(error)}{hint}", BAD_INPUT) from error
        if found is None:
            raise Unusable(f"cannot run {name}: there is no {engine.App.__name__} in it", BAD_INPUT)
        return found

    manager.load_app = load
    manager.load_apps(apps)


def _try_port(engine: Any) -> None:
    """Whether the OpenFlow server will be able to listen: it does so in a greenthread that fails unseen."""
    from netctl.openflow.listen import Listener, context

    conf = engine.CONF
    if (conf.ctl_privkey is None) != (conf.ctl_cert is None):
        raise Unusable("--ctl-privkey and --ctl-cert go together", BAD_INPUT)
    option, port = "--ofp-tcp-listen-port", conf.ofp_tcp_listen_port
    if conf.ctl_cert is not None:
        option, port = "--ofp-ssl-listen-port", conf.ofp_ssl_listen_port
        try:
            context(conf.ctl_cert, conf.ctl_privkey, conf.ca_certs)
        except OSError as error:
            raise Unusable(f"--ctl-cert, --ctl-privkey or --ca-certs: {_say(error)}", BAD_INPUT) from None
    try:
        Listener.check(conf.ofp_listen_host, port)
    except (OSError, OverflowError) as error:
        raise Unusable(
            f"cannot listen for switches on {conf.ofp_listen_host}:{port}: {_say(error)}. Another controller "
            f"may be running; {option} and --ofp-listen-host choose another place",
            FAILED,
        ) from None


def _close(engine: Any, manager: Any) -> None:
    timeout = engine.hub.Timeout(CLOSE_SECONDS)
    try:
        manager.close()
    except Exception:
        LOG.exception("an application did not end well")
    except engine.hub.Timeout:
        LOG.warning("applications did not end within %g s", CLOSE_SECONDS)
    finally:
        timeout.cancel()


def _say(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, ImportError) or type(error).__module__.startswith("netctl."):
        return str(error)
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(main())
