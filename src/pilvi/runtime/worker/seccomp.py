"""The system call filter: classic BPF, written out here because the standard library has no libseccomp.

A list of what functions never need and attackers do, answered with EPERM; the rest is allowed. Compilers, interpreters
and whatever a `bootstrap` brings along need too many calls for a list of what is allowed.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import errno
import struct
from typing import Final

from . import linux

_LOAD: Final = 0x20  # A = word at k
_AND: Final = 0x54
_EQUAL: Final = 0x15
_AT_LEAST: Final = 0x35
_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERROR: Final = 0x00050000

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000

# name -> (x86_64, aarch64); None where the architecture has none.
_DENIED: Final[dict[str, tuple[int | None, int | None]]] = {
    "ptrace": (101, 117),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "modify_ldt": (154, None),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "acct": (163, 89),
    "adjtimex": (159, 171),
    "settimeofday": (164, 170),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "quotactl": (179, 60),
    "lookup_dcookie": (212, 18),
    "clock_settime": (227, 112),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "migrate_pages": (256, 238),
    "unshare": (272, 97),
    "move_pages": (279, 239),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "clock_adjtime": (305, 266),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443),
    "process_mrelease": (448, 448),
}
_CLONE: Final = (56, 220)
_CLONE3: Final = (435, 435)
_SOCKET: Final = (41, 198)
_IOCTL: Final = (16, 29)

_NEW_NAMESPACE: Final = (
    linux.CLONE_NEWNS
    | linux.CLONE_NEWCGROUP
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUSER
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNET
)
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_SOCK_RAW, _SOCK_PACKET = 3, 10
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


def program(machine: str = linux.MACHINE) -> bytes:
    """The filter for an architecture.

    Raises:
        OSError: the architecture's system call numbers are not known here.
    """
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"no system call filter for {machine}")
    column = 0 if machine == "x86_64" else 1
    code = [
        *_load(_ARCHITECTURE),
        *_unless_equal(_AUDIT_ARCH[machine], [_return(_KILL)]),
        *_load(_NUMBER),
    ]
    if machine == "x86_64":
        code += [_step(_AT_LEAST, _X32_BIT, 0, 1), _deny()]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            code += _if_equal(number, [_deny()])
    # Its flags lie in memory, where a filter cannot look; C libraries fall back to clone.
    code += _if_equal(_CLONE3[column], [_deny(errno.ENOSYS)])
    code += _if_equal(_CLONE[column], _clone())
    code += _if_equal(_SOCKET[column], _socket())
    code += _if_equal(_IOCTL[column], _ioctl())
    return b"".join([*code, _return(_ALLOW)])


def _clone() -> list[bytes]:
    return [*_load(_argument(0)), _step(_ANY_BIT, _NEW_NAMESPACE, 0, 1), _deny(), _return(_ALLOW)]


def _socket() -> list[bytes]:
    """Unix and IP sockets, none of them raw; of netlink only routes, which name resolution reads."""
    netlink = [*_load(_argument(2)), *_unless_equal(0, [_deny(errno.EPROTONOSUPPORT)]), _return(_ALLOW)]
    kinds = [
        *_load(_argument(1)),
        _step(_AND, 0xF),
        *_if_equal(_SOCK_RAW, [_deny()]),
        *_if_equal(_SOCK_PACKET, [_deny()]),
        _return(_ALLOW),
    ]
    known = [part for family in (_AF_UNIX, _AF_INET, _AF_INET6) for part in _if_equal(family, kinds)]
    return [*_load(_argument(0)), *_if_equal(_AF_NETLINK, netlink), *known, _deny(errno.EAFNOSUPPORT)]


def _ioctl() -> list[bytes]:
    """Not those that type into a terminal."""
    return [
        *_load(_argument(1)),
        *_if_equal(_TIOCSTI, [_deny()]),
        *_if_equal(_TIOCLINUX, [_deny()]),
        _return(_ALLOW),
    ]


def _argument(index: int) -> int:
    """Where the lower half of a call's argument lies (little endian)."""
    return 16 + 8 * index


def _step(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, k)


def _load(offset: int) -> list[bytes]:
    return [_step(_LOAD, offset)]


def _return(value: int) -> bytes:
    return _step(_RETURN, value)


def _deny(number: int = errno.EPERM) -> bytes:
    return _return(_ERROR | number)


def _if_equal(value: int, then: list[bytes]) -> list[bytes]:
    return [_step(_EQUAL, value, 0, len(then)), *then]


def _unless_equal(value: int, then: list[bytes]) -> list[bytes]:
    return [_step(_EQUAL, value, len(then), 0), *then]
