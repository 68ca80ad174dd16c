"""The system calls that Python's standard library lacks, by ctypes. Each raises OSError as `os` does."""

import ctypes
import os
import platform
import struct
from typing import Final

_libc = ctypes.CDLL(None, use_errno=True)

MACHINE: Final = platform.machine()

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
MNT_DETACH: Final = 2

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_NAME: Final = 15
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
SECCOMP_MODE_FILTER: Final = 2

_MOUNT_ATTR_RDONLY: Final = 1
_MOUNT_ATTR_NOSUID: Final = 2
_MOUNT_ATTR_NODEV: Final = 4
_AT_RECURSIVE: Final = 0x8000
_CAP_VERSION_3: Final = 0x20080522

# Calls newer than Linux 5.1 have one number on every architecture.
_SYS_MOUNT_SETATTR: Final = 442
_SYS_LANDLOCK_CREATE_RULESET: Final = 444
_SYS_LANDLOCK_ADD_RULE: Final = 445
_SYS_LANDLOCK_RESTRICT_SELF: Final = 446
_SYS_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_SYS_CAPSET: Final = {"x86_64": 126, "aarch64": 91}


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *args: object) -> int:
    return _checked(_libc.syscall(ctypes.c_long(number), *args), what)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None)
    _checked(_libc.mount(*arguments), f"mount {target}")


def unmount(target: str) -> None:
    """Lazily: what is open stays, the name is gone."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def read_only(target: str) -> None:
    """A mount and those below it: no writes, no setuid programs, no devices."""
    flags = _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV
    attributes = struct.pack("=QQQQ", flags, 0, 0, 0)
    try:
        _syscall(
            f"mount_setattr {target}",
            _SYS_MOUNT_SETATTR,
            -100,
            target.encode(),
            _AT_RECURSIVE,
            attributes,
            ctypes.c_size_t(len(attributes)),
        )
    except OSError:  # before Linux 5.12, or mounts below that may not be changed
        mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def pivot_root(new: str) -> None:
    """Makes `new`, a mount, the root of this mount namespace, and lets go of the old one."""
    os.chdir(new)
    _syscall("pivot_root", _SYS_PIVOT_ROOT[MACHINE], b".", b".")
    unmount(".")
    os.chdir("/")


def unshare(flags: int) -> None:
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    _checked(_libc.setns(fd, kind), "setns")


def prctl(option: int, second: int = 0, third: object = 0) -> None:
    value = third if not isinstance(third, int) else ctypes.c_ulong(third)
    _checked(_libc.prctl(option, ctypes.c_ulong(second), value, ctypes.c_ulong(0), ctypes.c_ulong(0)), "prctl")


def set_name(name: str) -> None:
    """What `ps` shows; 15 bytes at most."""
    _checked(_libc.prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl")


def drop_capabilities() -> None:
    """All of them, from every set."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # EINVAL: the kernel knows no more; EPERM: there was nothing that could be dropped
            break
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", _CAP_VERSION_3, 0)
    _syscall("capset", _SYS_CAPSET[MACHINE], header, bytes(24))


def seccomp(program: bytes) -> None:
    """Installs a classic BPF filter (8 bytes an instruction). It cannot be removed."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header))


def landlock_abi() -> int:
    """The version of Landlock that this kernel speaks. Raises OSError when it has none."""
    flag_version = 1
    return _syscall("landlock", _SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(flag_version))


def landlock_ruleset(attributes: bytes) -> int:
    """A file descriptor."""
    size = ctypes.c_size_t(len(attributes))
    return _syscall("landlock_create_ruleset", _SYS_LANDLOCK_CREATE_RULESET, attributes, size, ctypes.c_uint(0))


def landlock_allow_path(ruleset: int, access: int, folder: int) -> None:
    rule_path_beneath = 1
    rule = struct.pack("=Qi", access, folder)
    _syscall("landlock_add_rule", _SYS_LANDLOCK_ADD_RULE, ruleset, rule_path_beneath, rule, ctypes.c_uint(0))


def landlock_restrict(ruleset: int) -> None:
    _syscall("landlock_restrict_self", _SYS_LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint(0))
