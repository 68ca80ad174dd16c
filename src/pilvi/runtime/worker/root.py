"""The file system that functions see: a small tmpfs with read-only binds of what an interpreter needs.

Built once, by the zygote, in a mount namespace of its own. Each worker copies that namespace and adds what is its own:
/var/task, /tmp and /proc. Of the host's home directories, data folder, devices and settings there is nothing in it.
"""

import os
import socket
import sys
from typing import Final

from . import linux

INSIDE_UID: Final = 993  # as on AWS: sbx_user1051
INSIDE_GID: Final = 990
CODE: Final = "/run/pilvi/code"
PACKAGES: Final = "/var/runtime"

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_SETTINGS: Final = ("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ld.so.cache", "/etc/alternatives")
_SETTINGS_MORE: Final = ("/etc/mime.types", "/etc/localtime", "/etc/protocols", "/etc/services")
_PARTS: Final = ("bin", "lib", "lib64", "ssl")  # of an interpreter's prefix, which may be somebody's home
_DEVICES: Final = ("null", "zero", "full", "random", "urandom")
_FILES: Final = {
    "/etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    f"sbx_user1051:x:{INSIDE_UID}:{INSIDE_GID}::/home/sbx_user1051:/sbin/nologin\n",
    "/etc/group": f"root:x:0:\nsbx_user1051:x:{INSIDE_GID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "/etc/resolv.conf": "# Functions reach their cloud at AWS_ENDPOINT_URL, and nothing else.\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_EMPTY: Final = ("/tmp", "/proc", "/var/task", PACKAGES, CODE, "/opt", "/root", "/home")  # noqa: S108 - names inside


def build(new: str, code: str, prefixes: list[str], packages: list[str]) -> None:
    """Makes the tree on the empty folder `new` and moves there: afterwards it is "/", and the host's is gone.

    Args:
        code: folder of unpacked functions, visible to the zygote alone.
        prefixes: folders that the interpreter is installed in; its parts keep their paths.
        packages: files and folders that every function can import; they appear in PACKAGES.
    """
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("pilvi", new, "tmpfs", linux.MS_NOSUID, "size=4m,mode=755")
    for path in _EMPTY:
        os.makedirs(new + path, exist_ok=True)  # noqa: PTH103
    for path in (*_SYSTEM, *_SETTINGS, *_SETTINGS_MORE):
        _expose(path, new + path)
    for path in _outermost([f"{prefix}/{part}" for prefix in prefixes for part in _PARTS]):
        _expose(path, new + path)
    for path in packages:
        _expose(path, f"{new}{PACKAGES}/{os.path.basename(path)}")  # noqa: PTH119
    _expose(code, new + CODE)
    for path, text in _FILES.items():
        with open(new + path, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
    _devices(new + "/dev")
    linux.mount("proc", new + "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    linux.mount("none", new, flags=linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID)
    linux.pivot_root(new)


def outside(prefixes: list[str]) -> list[str]:
    """What functions may read of the machine itself where there is no root of their own."""
    parts = [f"{prefix}/{part}" for prefix in prefixes for part in _PARTS]
    return [*_SYSTEM, *_SETTINGS, *_SETTINGS_MORE, *_outermost(parts)]


def interpreter() -> list[str]:
    """Where this interpreter is installed."""
    return [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]


def enter(code: str, tmp_bytes: int) -> None:
    """A worker's own part. Runs in its own mount namespace, before it has given up any right."""
    options = f"size={tmp_bytes},nr_inodes={_inodes(tmp_bytes)},mode=1777"
    linux.mount("tmp", "/tmp", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, options)  # noqa: S108
    linux.mount(f"{CODE}/{code}", "/var/task", flags=linux.MS_BIND)
    linux.unmount(CODE)


def own_processes() -> None:
    """A /proc that shows this process namespace only."""
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)


def host_name() -> None:
    socket.sethostname("sandbox")


def _inodes(size: int) -> int:
    """Empty files cost kernel memory too: one for each 4 KB of the limit, and a few for small limits."""
    return max(1024, size // 4096)


def _expose(source: str, target: str) -> None:
    """The same file, folder or link at `target`, for reading. What the host does not have is left out."""
    if os.path.islink(source):  # noqa: PTH114
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(os.readlink(source), target)  # noqa: PTH115, PTH211
        return
    if os.path.isdir(source):  # noqa: PTH112
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    elif os.path.exists(source):  # noqa: PTH110
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    else:
        return
    linux.mount(source, target, flags=linux.MS_BIND | linux.MS_REC)
    linux.read_only(target)


def _outermost(paths: list[str]) -> list[str]:
    """Without those that lie in another one, or in what is exposed anyway."""
    kept: list[str] = []
    for path in sorted({os.path.realpath(path) for path in paths}):
        if not any(path == other or path.startswith(other + "/") for other in (*_SYSTEM, *kept)):
            kept.append(path)
    return kept


def _devices(folder: str) -> None:
    os.mkdir(folder)  # noqa: PTH102
    for name in _DEVICES:
        target = f"{folder}/{name}"
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o666))
        linux.mount(f"/dev/{name}", target, flags=linux.MS_BIND)
    for name, goal in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{goal}", f"{folder}/{name}")  # noqa: PTH211
