"""Whether a folder lies on a disk of this machine: SQLite and sockets need that (sqlite.org/wal.html)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = (
    *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"),
    *("orangefs", "panfs", "smb3", "smbfs", "vboxsf"),
)
_NETWORK_FUSE: Final = (
    *("fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.rclone"),
    *("fuse.s3fs", "fuse.sshfs"),
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def network_file_system(folder: Path) -> str | None:
    """Return the name of the network file system that an absolute path is on; None where it is on none.

    Without Linux's list of mounts nobody knows: None.
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = kind_of(folder, mounts)
    return kind if kind in _NETWORK or kind in _NETWORK_FUSE else None


def kind_of(folder: Path, mounts: str) -> str:
    """Find a path's file system in the text of /proc/self/mountinfo (proc_pid_mountinfo(5)); "" for none."""
    found, depth = "", -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        mounted_at = Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        if folder.is_relative_to(mounted_at) and len(mounted_at.parts) >= depth:  # a later one covers it
            found, depth = right.split(" ")[0], len(mounted_at.parts)
    return found
