"""Detects network file systems. SQLite's WAL and sockets need a local disk (sqlite.org/wal.html)."""

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
    """Return the type of the network file system that an absolute path is on, else None.

    None also where there is no /proc/self/mountinfo (not Linux).
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind = kind_of(folder, mounts)
    return kind if kind in _NETWORK or kind in _NETWORK_FUSE else None


def kind_of(folder: Path, mounts: str) -> str:
    """Return the file system type of a path; "" when no mount fits.

    `mounts` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)). The innermost mount counts.
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        mount_fields, _, type_fields = line.partition(" - ")
        fields = mount_fields.split(" ")
        if len(fields) < 5 or not type_fields:
            continue
        mounted_at = Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        if (
            folder.is_relative_to(mounted_at) and len(mounted_at.parts) >= depth
        ):  # the later mount hides the other
            found, depth = type_fields.split(" ")[0], len(mounted_at.parts)
    return found
