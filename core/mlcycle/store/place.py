"""Where a workspace lies: whether file locks and memory maps can be relied on there, and whether links lead out of it.

Locks of a network file system are kept by a server, by the client alone, or by nobody, and a server's restart may
forget them: two processes that both believe to hold the store damage it. A folder that another program copies to and
fro (a synced one) is written behind our back. A link in `.mlcycle` that leads elsewhere lets a workspace from another
hand read and write files that are none of its own.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlcycle.workspace import Workspace

__all__ = [
    "ALLOW",
    "NETWORK",
    "check_links",
    "check_place",
    "mac_mounts",
    "mounts",
    "network",
    "notes",
    "synced",
]

ALLOW = "MLCYCLE_ALLOW_NETWORK"
"""Set to 1, a store is made on a network file system too, and nothing is said."""

# fmt: off
NETWORK = frozenset({
    "9p", "acfs", "afp", "afpfs", "afs", "aufs", "beegfs", "ceph", "cifs", "coda", "dav", "davfs", "drvfs",
    "efs", "fhgfs", "ftp", "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "ncp", "nfs", "nfs3",
    "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "shfs", "sftp", "smb", "smb2", "smb3",
    "smbfs", "sshfs", "vboxsf", "virtiofs", "vmhgfs", "webdav", "wekafs",
})
# fmt: on
"""Types of file systems whose files another machine, or the host of a virtual one, may write too."""
# fmt: off
LOCAL_FUSE = frozenset({
    "apfs-fuse", "bindfs", "cryfs", "encfs", "exfat", "exfat-fuse", "ext2", "fuse-overlayfs", "fuse2fs",
    "gocryptfs", "lxcfs", "mergerfs", "ntfs-3g", "overlayfs", "portal", "securefs", "squashfuse",
    "unionfs", "unionfs-fuse", "veracrypt", "zfs-fuse",
})
# fmt: on
"""What of `fuse.*` keeps the files on this machine; every other one may lead anywhere."""
HOSTED = frozenset({"9p", "virtiofs"})
"""Types that a sandbox or small virtual machine has as its own root, where nobody else writes."""
SYNCED = (
    (re.compile(r"Dropbox( \(.+\))?"), "Dropbox"),
    (re.compile(r"OneDrive( ?- ?.+)?"), "OneDrive"),
    (re.compile(r"Google ?Drive|GoogleDrive-.+|My Drive"), "Google Drive"),
    (re.compile(r"Mobile Documents|iCloud ?Drive|com~apple~CloudDocs"), "iCloud"),
    (re.compile(r"Nextcloud\d?"), "Nextcloud"),
    (re.compile(r"ownCloud\d?"), "ownCloud"),
    (re.compile(r"Box( Sync)?|Box-Box"), "Box"),
    (re.compile(r"pCloud ?Drive|pCloudDrive"), "pCloud"),
    (re.compile(r"Syncthing|SyncThing"), "Syncthing"),
)
FOLDERS = frozenset({"artifacts", "backup", "data", "journal", "logs", "online", "recovery", "tmp"})
MOUNTINFO = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_MAC = re.compile(r"^.+? on (?P<point>/.*) \((?P<kind>[^,)]+)(?:,.*)?\)$")
_told: set[str] = set()


def mounts(text: str) -> list[tuple[str, str]]:
    r"""Return mount point and type of each line of `/proc/self/mountinfo`, in the order mounted.

    A blank, tab, newline or backslash in a mount point is written as `\` and three octal digits; a byte that is no
    text comes back as `os.fsdecode` gives it.
    """
    found = []
    for line in text.split("\n"):
        left, dash, right = line.partition(" - ")
        pieces, kinds = left.split(" "), right.split(" ")
        if dash and len(pieces) > 4 and kinds[0]:
            found.append((_plain(pieces[4]), kinds[0]))
    return found


def network(path: Path) -> str | None:
    """Return the type of the network file system that a path lies on, such as `nfs4`.

    Returns
    -------
    str or None
        None if the file system is this machine's own, or if its type cannot be told here.
    """
    if sys.platform == "win32":  # pragma: no cover
        return "smb" if str(path.absolute()).startswith("\\\\") else None
    point, kind = _lies_on(os.path.realpath(path), _mounted())
    return kind if _is_network(point, kind) else None


def synced(path: Path) -> str | None:
    """Return which program keeps the folder the same on several machines, by a folder's name; None if none does."""
    for part in Path(os.path.abspath(path)).parts[1:]:  # noqa: PTH100 - links are looked at as they are named
        for pattern, name in SYNCED:
            if pattern.fullmatch(part):
                return name
    return None


def check_place(workspace: Workspace) -> None:
    """Refuse or warn about where a workspace lies, before its store is made or opened.

    A store is not made on a network file system; one that is there is opened with a warning, once a process. Links
    and special files directly in `.mlcycle` are refused always: see `check_links`.

    Raises
    ------
    WorkspaceError
        Naming the type of the file system, or the link.
    """
    check_links(workspace)
    if os.environ.get(ALLOW) == "1" or str(workspace.root) in _told:
        return
    kind = network(workspace.root)
    if kind is not None and not os.path.lexists(workspace.database):
        raise WorkspaceError(
            f"{workspace.root} lies on a network file system ({kind}), whose file locks cannot be relied on",
            hint=f"make the workspace on a local disk, or go on at your own risk with {ALLOW}=1",
        )
    _told.add(str(workspace.root))
    if kind is not None:
        _warn(
            f"{workspace.root} lies on a network file system ({kind}): use it from one machine at a time, "
            f"or copy it to a local disk ({ALLOW}=1 silences this)"
        )


def check_links(workspace: Workspace) -> None:
    """Refuse links and special files where only this program's own files and folders belong.

    Looked at are `.mlcycle`, what lies directly in it, and the journal's streams: some 20 names, of which nothing is
    opened. The workspace's folder itself may be a link, and lie wherever its owner likes.

    Raises
    ------
    WorkspaceError
        Naming the first.
    """
    for path, why in _odd(workspace):
        raise WorkspaceError(
            f"{path} is {why}: mlcycle reads and writes its own files only",
            hint=f"look where it leads, then remove it: rm {path}",
        )


def notes(workspace: Workspace) -> list[str]:
    """Return what doctor should say about the place; nothing where it is a good one."""
    found = []
    kind, by = network(workspace.root), synced(workspace.root)
    if kind is not None:
        found.append(
            f"the workspace lies on a network file system ({kind}), whose locks cannot be relied on: "
            "use it from one machine at a time"
        )
    if by is not None:
        found.append(
            f"{by} keeps this folder the same on several machines: let it finish before the workspace is opened "
            "elsewhere, or leave .mlcycle out of it"
        )
    return found


def _odd(workspace: Workspace) -> Iterator[tuple[Path, str]]:
    home = workspace.home
    try:
        info = home.lstat()
    except FileNotFoundError:
        return
    if why := _is_odd(info.st_mode, folder=True):
        yield home, why
        return
    for folder in (home, workspace.journal):
        for path, mode in _entries(folder):
            if why := _is_odd(mode, folder=folder == workspace.journal or path.name in FOLDERS):
                yield path, why


def _is_odd(mode: int, *, folder: bool) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    if folder and not stat.S_ISDIR(mode):
        return "no folder"
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "no file"
    return ""


def _entries(folder: Path) -> Iterator[tuple[Path, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    yield Path(entry.path), entry.stat(follow_symlinks=False).st_mode
                except FileNotFoundError:  # another process has just taken it away
                    continue
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return


def _plain(point: str) -> str:
    # The escapes stand for bytes, while the rest was decoded already: both to bytes, then to text as one.
    pieces = _ESCAPE.split(point)
    content = [
        bytes([int(piece, 8) & 0xFF]) if number % 2 else os.fsencode(piece)
        for number, piece in enumerate(pieces)
    ]
    return os.fsdecode(b"".join(content))


def _lies_on(path: str, mounted: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """Return mount point and type that a real path lies on: the longest point, and of equals the one mounted last."""
    found = ("", "")
    for point, kind in mounted:
        stem = point.rstrip("/")
        if (path == point or path.startswith(f"{stem}/")) and len(point) >= len(found[0]):
            found = (point, kind)
    return found


def _is_network(point: str, kind: str) -> bool:
    if point == "/" and kind in HOSTED:
        return False
    bare = kind.removeprefix("fuse.")
    return bare in NETWORK or (bare != kind and bare not in LOCAL_FUSE)


def _mounted() -> list[tuple[str, str]]:
    if sys.platform == "darwin":  # pragma: no cover
        return _mac()
    try:
        return mounts(os.fsdecode(MOUNTINFO.read_bytes()))
    except OSError:
        return []


@lru_cache(maxsize=1)
def _mac() -> list[tuple[str, str]]:  # pragma: no cover
    try:
        done = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return mac_mounts(done.stdout)


def mac_mounts(text: str) -> list[tuple[str, str]]:
    """Return mount point and type of each line of macOS's `mount`: `//u@h/share on /Volumes/share (smbfs, nodev)`."""
    found = [_MAC.match(line) for line in text.splitlines()]
    return [(one["point"], one["kind"]) for one in found if one]


def _warn(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"mlcycle: {text}\n")
