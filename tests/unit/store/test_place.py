"""Where a workspace lies: network file systems by name, synced folders, and links that lead out of it."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcycle.errors import WorkspaceError
from mlcycle.store import place
from mlcycle.workspace import Workspace

LINUX = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /proc rw,nosuid shared:3 - proc proc rw
24 22 0:6 / /mnt rw,relatime shared:4 master:1 - tmpfs tmpfs rw
25 24 0:7 / /mnt/home rw - nfs4 server:/export rw,vers=4.2
26 25 0:8 / /mnt/home/local rw - xfs /dev/sdb1 rw
27 22 0:9 / /mnt/my\\040share rw - cifs //server/share rw
28 22 0:10 / /mnt/autos rw - autofs systemd-1 rw
29 28 0:11 / /mnt/autos rw - nfs server:/autos rw
30 22 0:12 / /mnt/key rw - fuseblk /dev/sdc1 rw
31 22 0:13 / /mnt/far rw - fuse.sshfs me@far: rw
32 22 0:14 / /mnt/crypt rw - fuse.gocryptfs /home/me/crypt rw
33 22 0:15 / /mnt/cloud rw - fuse.rclone cloud: rw
34 22 0:16 / /mnt/c rw - 9p drvfs rw,aname=drvfs
"""
PATHS = {
    "/work/churn": None,
    "/mnt/homestead": None,
    "/mnt/home": "nfs4",
    "/mnt/home/me/churn": "nfs4",
    "/mnt/home/local/churn": None,
    "/mnt/my share/churn": "cifs",
    "/mnt/autos/churn": "nfs",
    "/mnt/key/churn": None,
    "/mnt/far/churn": "fuse.sshfs",
    "/mnt/crypt/churn": None,
    "/mnt/cloud/churn": "fuse.rclone",
    "/mnt/c/Users/me/churn": "9p",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "mlcycle.yaml").write_text("name: test\n")
    return Workspace(tmp_path)


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_told", set())
    monkeypatch.delenv(place.ALLOW, raising=False)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the temporary folder lie on NFS, as the kernel would say it."""
    table = tmp_path.parent / f"{tmp_path.name}-mountinfo"
    table.write_text(LINUX + f"35 22 0:17 / {tmp_path} rw - nfs4 server:/tmp rw\n")
    monkeypatch.setattr(place, "MOUNTINFO", table)


@pytest.mark.parametrize(("path", "kind"), PATHS.items())
def test_a_path_lies_on_the_longest_mount_point_above_it(
    path: str, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text(LINUX)
    monkeypatch.setattr(place, "MOUNTINFO", tmp_path / "mountinfo")
    assert place.network(Path(path)) == kind


@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name))
def test_a_mount_point_of_any_bytes_is_read_back(name: bytes) -> None:
    point = b"/mnt/" + name
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in point)
    line = b"36 22 0:17 / %s rw,relatime - nfs server:/x rw\n" % escaped
    assert place.mounts(os.fsdecode(line)) == [(os.fsdecode(point), "nfs")]


@given(st.text(max_size=200))
def test_a_table_of_any_text_is_read_without_an_error(text: str) -> None:
    place.mounts(text.encode("utf-8", "replace").decode())


def test_the_root_of_a_sandbox_is_its_own_even_if_its_type_is_a_shared_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountinfo").write_text("1 0 0:1 / / rw - 9p none rw\n2 1 0:2 / /mnt/c rw - 9p c rw\n")
    monkeypatch.setattr(place, "MOUNTINFO", tmp_path / "mountinfo")
    assert place.network(Path("/work")) is None
    assert place.network(Path("/mnt/c/work")) == "9p"


def test_where_nothing_says_what_is_mounted_nothing_is_refused(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "MOUNTINFO", Path("/nowhere"))
    assert place.network(workspace.root) is None
    place.check_place(workspace)


def test_macs_mount_names_point_and_type() -> None:
    text = (
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        "//me@nas/data (old) on /Volumes/data (old) (smbfs, nodev, nosuid, mounted by me)\n"
        "map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)\n"
    )
    assert place.mac_mounts(text) == [
        ("/", "apfs"),
        ("/Volumes/data (old)", "smbfs"),
        ("/System/Volumes/Data/home", "autofs"),
    ]


@pytest.mark.usefixtures("far")
def test_a_store_is_not_made_on_a_network_file_system(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="nfs4") as raised:
        place.check_place(workspace)
    assert f"{place.ALLOW}=1" in raised.value.hint


@pytest.mark.usefixtures("far")
def test_at_ones_own_risk_it_is(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(place.ALLOW, "1")
    place.check_place(workspace)


@pytest.mark.usefixtures("far")
def test_a_store_that_is_there_is_warned_about_once(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace.home.mkdir()
    workspace.database.touch()
    place.check_place(workspace)
    place.check_place(workspace)
    said = capsys.readouterr()
    assert said.err.count("nfs4") == 1 and not said.out
    assert "nfs4" in place.notes(workspace)[0]


def test_a_real_mount_is_found_by_its_type(tmp_path: Path) -> None:
    if os.name != "posix" or os.getuid() != 0:
        pytest.skip("only root can mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not permitted here")
    try:
        mounted = place.mounts(place.MOUNTINFO.read_text())
        assert (str(tmp_path), "tmpfs") in mounted
        assert place.network(tmp_path) is None
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.fixture
def sshfs(tmp_path: Path) -> Iterator[Path]:
    """A mount of type `fuse.sshfs` whose server has gone, as after a lost network."""
    point = tmp_path / "far away"
    point.mkdir()
    if os.name != "posix" or os.getuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs root and FUSE")
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={handle},rootmode=40000,user_id=0,group_id=0".encode()
    failed = libc.mount(b"me@far:", os.fsencode(point), b"fuse.sshfs", 0, options)
    os.close(handle)
    if failed:
        pytest.skip(f"FUSE cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    yield point
    libc.umount2(os.fsencode(point), 2)  # MNT_DETACH


def test_a_real_mount_of_a_network_type_is_named_though_its_server_is_gone(sshfs: Path) -> None:
    assert place.network(sshfs / "churn") == "fuse.sshfs"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/Dropbox/churn", "Dropbox"),
        ("/home/me/Dropbox (Work)/churn", "Dropbox"),
        ("/Users/me/Library/CloudStorage/OneDrive-Work/churn", "OneDrive"),
        ("/mnt/c/Users/me/OneDrive - Work/churn", "OneDrive"),
        ("/Users/me/Library/CloudStorage/GoogleDrive-me@example.org/My Drive/churn", "Google Drive"),
        ("/Users/me/Library/Mobile Documents/com~apple~CloudDocs/churn", "iCloud"),
        ("/home/me/Nextcloud/churn", "Nextcloud"),
        ("/home/me/work/dropbox-churn", None),
        ("/home/me/Boxes/churn", None),
    ],
)
def test_a_synced_folder_is_told_by_its_name(path: str, name: str | None) -> None:
    assert place.synced(Path(path)) == name


def test_doctor_hears_of_a_synced_folder(tmp_path: Path) -> None:
    root = tmp_path / "Dropbox" / "churn"
    root.mkdir(parents=True)
    assert "Dropbox" in place.notes(Workspace(root))[0]
    assert place.notes(Workspace(tmp_path)) == []


@pytest.mark.parametrize("name", ["store.duckdb", "journal", "tmp", "ui.log", "store.lock"])
def test_a_link_in_the_tools_own_folder_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    workspace.home.mkdir()
    (workspace.home / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WorkspaceError, match=f"{name} is a link"):
        place.check_place(workspace)
    assert not (tmp_path / "elsewhere").exists()


def test_a_stream_or_the_folder_itself_may_be_no_link_either(workspace: Workspace, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    workspace.home.symlink_to(other)
    with pytest.raises(WorkspaceError, match=r"\.mlcycle is a link"):
        place.check_links(workspace)
    workspace.home.unlink()
    workspace.journal.mkdir(parents=True)
    (workspace.journal / "run").symlink_to(other)
    with pytest.raises(WorkspaceError, match="run is a link"):
        place.check_links(workspace)


def test_a_pipe_a_socket_or_a_file_in_the_place_of_a_folder_is_refused(workspace: Workspace) -> None:
    workspace.home.mkdir()
    os.mkfifo(workspace.home / "store.lock")
    with pytest.raises(WorkspaceError, match=r"store\.lock is no file"):
        place.check_links(workspace)
    (workspace.home / "store.lock").unlink()
    (workspace.home / "data").touch()
    with pytest.raises(WorkspaceError, match="data is no folder"):
        place.check_links(workspace)
    (workspace.home / "data").unlink()
    before = Path.cwd()
    os.chdir(workspace.home)  # a socket's name may be 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("holder.json")
    finally:
        os.chdir(before)
    with pytest.raises(WorkspaceError, match=r"holder\.json is no file"):
        place.check_links(workspace)


def test_a_workspace_reached_through_a_link_is_fine(workspace: Workspace, tmp_path: Path) -> None:
    workspace.home.mkdir()
    (tmp_path / "near").symlink_to(workspace.root)
    place.check_place(Workspace(tmp_path / "near"))
