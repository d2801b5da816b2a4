"""What can be wrong with a host: each says what it is and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection


class KernelError(Exception):
    """`message` says what is wrong, `remedy` what puts it right."""

    whole_kind = False
    """Whether every device of the kind will fail as one did."""

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message}; {remedy}")


class NotPermitted(KernelError):
    def __init__(self, lacking: Collection[str]) -> None:
        self.lacking = tuple(lacking)
        super().__init__(
            f"this process may not change the host's network: it lacks {' and '.join(lacking)}",
            "run it as root, or give it both CAP_NET_ADMIN (devices) and CAP_SYS_ADMIN (namespaces)",
        )


class ModuleMissing(KernelError):
    """The running kernel cannot make a kind of device."""

    whole_kind = True

    def __init__(self, module: str) -> None:
        self.module = module
        super().__init__(
            f"this kernel ({os.uname().release}) cannot make such a device: it lacks the module {module}",
            f"`modprobe {module}`, or install the package with this kernel's modules",
        )


class FeatureMissing(KernelError):
    """The running kernel was built without something that its devices need."""

    def __init__(self, what: str, option: str) -> None:
        super().__init__(
            f"this kernel ({os.uname().release}) has no {what}",
            f"use one that was built with {option}, or do without it in the policy",
        )


class NameTaken(KernelError):
    """A name is needed that something has which netctl did not make."""

    def __init__(self, name: str, kind: str, netns: str | None = None) -> None:
        self.name = name
        where = f" in namespace {netns}" if netns else ""
        super().__init__(
            f"the name {name}{where} is taken by a {kind or 'device'} that netctl did not make",
            "remove or rename it, or give the NIC another `name:` in the policy",
        )


class RouteTaken(KernelError):
    """A route is needed where there is one that netctl did not make."""

    def __init__(self, route: str) -> None:
        super().__init__(
            f"in the place of the route {route} there is one that netctl did not make",
            "remove that (`ip route` shows it), or give this one another `metric` or `table` in the policy",
        )


class DeviceDown(KernelError):
    """What needs a device that is up."""

    def __init__(self, what: str, name: str, netns: str = "") -> None:
        at = f" -n {netns}" if netns else ""
        super().__init__(
            f"{what} cannot be as long as {name} is down",
            f"`ip{at} link set {name} up`, or say `links: {{{name}: {{kind: nic, up: true}}}}` to have it kept up",
        )


class SettingMissing(KernelError):
    def __init__(self, name: str, netns: str = "") -> None:
        where = f" in namespace {netns}" if netns else ""
        super().__init__(
            f"this kernel ({os.uname().release}) has no setting {name}{where}",
            f"`sysctl {name.rpartition('.')[0]}` shows which there are; a module that brings it may be missing",
        )


class SettingRefused(KernelError):
    def __init__(self, name: str, value: str, error: OSError) -> None:
        if error.errno == errno.EINVAL:
            super().__init__(
                f"the kernel does not take {value!r} for {name}", "give it another value under `sysctls` in the policy"
            )
        else:
            super().__init__(
                f"setting {name} to {value!r}: the kernel says «{error.strerror or error}»",
                "where /proc/sys is mounted read-only, as in a container, give netctl one that is not",
            )


class FileTaken(KernelError):
    """A file is needed that is there and that netctl did not write."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the file {path} is there and netctl did not write it", "move it away, or rename it")


class NamespaceMissing(KernelError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no network namespace {name}", _MEANWHILE)


class DeviceMissing(KernelError):
    def __init__(self, name: str, netns: str | None = None) -> None:
        self.name = name
        where = f" in namespace {netns}" if netns else ""
        super().__init__(f"there is no device {name}{where}", _MEANWHILE)


class Busy(KernelError):
    """Another netctl is at work on this host."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        super().__init__(
            f"another netctl (process {pid or 'unknown'}) is changing this host's devices",
            "wait for it to end, then try again",
        )


class Refused(KernelError):
    """The kernel said no to one request."""

    def __init__(self, doing: str, error: OSError) -> None:
        self.errno = error.errno
        said = error.strerror or str(error)
        super().__init__(f"{doing}: the kernel says «{said}»", _REMEDY.get(error.errno or 0, _LOOK))


_MEANWHILE = "something removed it meanwhile; apply again"
_LOOK = "the kernel's log (`dmesg`) may say more"
_REMEDY = {
    errno.EROFS: "say with NETCTL_RUN_DIR where netctl may write instead of /run/netctl",
    errno.EPERM: "run it as root",
    errno.EACCES: "an address of a family that is switched off? see the sysctl net.ipv6.conf.*.disable_ipv6",
    errno.ENOSPC: "the disk of /run/netctl (NETCTL_RUN_DIR) is full, or a limit of the kernel is reached: "
    "see /proc/sys/user/max_net_namespaces",
    errno.ENOMEM: "the machine is out of memory",
    errno.ENFILE: "the machine is out of file descriptors",
    errno.EMFILE: "this process is out of file descriptors (ulimit -n)",
    errno.ENETUNREACH: "a gateway has to be in the network of one of the device's addresses; is that on the device?",
    errno.EADDRNOTAVAIL: "the address cannot be that of a device",
    errno.EBUSY: "something else holds it; end that first",
}
