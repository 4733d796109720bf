"""The file system of a folder, by the list of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.embedded.file_system import kind_of, network_file_system

MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:26 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2
31 30 0:27 / /home/ann/fast rw - xfs /dev/vdb rw
32 22 0:28 / /mnt/with\040space rw - cifs //server/share rw
33 22 0:29 / /twice rw - ext4 /dev/vdc rw
34 22 0:30 / /twice rw - fuse.sshfs ann@host: rw
35 22 0:31 / /short
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/ann/state", "nfs4"),
        ("/home/ann/fast/state", "xfs"),
        ("/homework", "ext4"),
        ("/mnt/with space/x", "cifs"),
        ("/twice/x", "fuse.sshfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, kind: str) -> None:
    """Paths with spaces are decoded; malformed lines are skipped."""
    assert kind_of(Path(path), MOUNTS) == kind


def test_the_list_of_this_machine_is_read() -> None:
    """/proc is of type proc, and that is no network file system."""
    assert kind_of(Path("/proc/self"), Path("/proc/self/mountinfo").read_text(encoding="utf-8")) == "proc"
    assert network_file_system(Path("/proc/self")) is None
