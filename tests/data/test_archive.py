from __future__ import annotations

import shutil
import stat
import struct
import zipfile

import numpy as np
import pytest

from glioray.data.archive import inside, is_archive, safe_unpack
from glioray.errors import DataError, UnreadableError

SCANS = {"a/one.png": b"1" * 3000, "a/two.png": bytes(range(256)) * 40, "table.csv": b"file,patient\n"}


def pack(path, members, compression=zipfile.ZIP_DEFLATED):
    """A zip of names and bytes; a name may also be a ZipInfo."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items() if isinstance(members, dict) else members:
            file.writestr(name, content)
    return path


def entry(name, mode=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def patch(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "there"
    place.mkdir()
    return place


def everything_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def refuse(archive, folder, match, error=DataError, **limits):
    with pytest.raises(error, match=match):
        safe_unpack(archive, folder, **limits)
    assert everything_below(folder) == []


def test_every_file_is_there_as_it_was_packed(tmp_path, folder) -> None:
    paths = safe_unpack(pack(tmp_path / "scans.zip", SCANS), folder)
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths} == SCANS
    assert everything_below(folder) == ["a", "a/one.png", "a/two.png", "table.csv"]


def test_progress_counts_files(tmp_path, folder) -> None:
    told = []
    safe_unpack(pack(tmp_path / "scans.zip", SCANS), folder, lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("/etc/one.png", "has an absolute path"),
        ("../one.png", r"leads out of the folder by '\.\.'"),
        ("a/../../one.png", r"leads out of the folder by '\.\.'"),
        ("C:/one.png", "has an absolute path"),
        ("a\\..\\one.png", "has a backslash"),
        ("./", "has no name"),
    ],
)
def test_a_member_that_would_leave_the_folder_refuses_the_archive(tmp_path, folder, name, wrong) -> None:
    refuse(pack(tmp_path / "x.zip", {"fine.png": b"1", name: b"2"}), folder, f"member .* {wrong}.*Nothing was unpacked")


def test_a_zero_byte_in_a_name_is_refused(tmp_path, folder) -> None:
    refuse(patch(pack(tmp_path / "x.zip", {"one_.png": b"1"}), b"one_", b"one\0"), folder, "zero byte")


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [(stat.S_IFLNK, "is a symbolic link"), (stat.S_IFIFO, "is a device, a pipe"), (stat.S_IFBLK, "is a device")],
)
def test_links_and_devices_are_refused(tmp_path, folder, mode, wrong) -> None:
    refuse(pack(tmp_path / "x.zip", [(entry("link", mode | 0o777), b"/etc/passwd")]), folder, f"'link' {wrong}")


def test_an_encrypted_member_is_refused(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", {"one.png": b"1"}, zipfile.ZIP_STORED)
    patch(archive, b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")
    refuse(archive, folder, "'one.png' is encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["a/one.png", "a//one.png", "./a/one.png"])
def test_a_member_twice_is_refused(tmp_path, folder, again) -> None:
    refuse(pack(tmp_path / "x.zip", [("a/one.png", b"1"), (again, b"2")]), folder, "is there twice")


def test_a_file_that_is_a_folder_too_is_refused(tmp_path, folder) -> None:
    refuse(pack(tmp_path / "x.zip", {"a": b"1", "a/one.png": b"2"}), folder, "'a' is a file and a folder")


def test_more_members_than_allowed_are_refused(tmp_path, folder) -> None:
    refuse(pack(tmp_path / "x.zip", SCANS), folder, "3 members; at most 2", most_members=2)


def test_more_bytes_than_allowed_are_refused(tmp_path, folder) -> None:
    refuse(pack(tmp_path / "x.zip", SCANS), folder, "13,253 bytes unpacked; at most 13,000", most_bytes=13_000)


def test_a_bomb_is_refused_by_its_ratio(tmp_path, folder) -> None:
    bomb = pack(tmp_path / "x.zip", {"one.png": b"1", "bomb.raw": bytes(65 * 1024**2)})
    refuse(bomb, folder, "member 'bomb.raw' 68,157,440 of them; scans are packed at most 100 to 1")


def test_an_empty_mask_is_no_bomb(tmp_path, folder) -> None:
    (path,) = safe_unpack(pack(tmp_path / "x.zip", {"mask.nii": bytes(9 * 1024**2)}), folder)
    assert path.stat().st_size == 9 * 1024**2


def test_a_member_that_says_a_smaller_size_than_it_has_is_never_written_whole(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", {"one.png": b"1" * 70_000})
    patch(archive, struct.pack("<L", 70_000), struct.pack("<L", 5))
    refuse(archive, folder, "'one.png' is damaged", UnreadableError)


def test_a_member_that_says_a_larger_size_than_it_has_is_refused(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", {"one.png": b"1" * 70_000})
    patch(archive, struct.pack("<L", 70_000), struct.pack("<L", 70_001))
    refuse(archive, folder, "says 70,001 bytes and has 70,000", UnreadableError)


def test_a_damaged_member_leaves_the_whole_ones_and_no_half_one(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", {"one.png": b"abc" * 99, "two.png": b"xyz" * 99}, zipfile.ZIP_STORED)
    patch(archive, b"xyzxyz", b"xyzxyy")
    with pytest.raises(UnreadableError, match=r"'two\.png' is damaged .*CRC"):
        safe_unpack(archive, folder)
    assert everything_below(folder) == ["one.png"]


def test_a_truncated_archive_is_told_from_a_whole_one(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", SCANS)
    archive.write_bytes(archive.read_bytes()[:-40])
    assert is_archive(archive)
    refuse(archive, folder, r"x\.zip: not a whole zip .*fetch it again", UnreadableError)


def test_what_an_earlier_run_wrote_is_not_written_again(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", SCANS)
    kept, changed, _ = safe_unpack(archive, folder)
    number = kept.stat().st_ino
    changed.write_bytes(changed.read_bytes()[::-1])
    (folder / "table.csv").unlink()
    paths = safe_unpack(archive, folder)
    assert kept.stat().st_ino == number
    assert [path.read_bytes() for path in paths] == list(SCANS.values())


def test_a_link_in_the_folder_is_neither_followed_nor_written_through(tmp_path, folder) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "a").symlink_to(outside)
    with pytest.raises(DataError, match=r"there/a/b: a link leads out of"):
        safe_unpack(pack(tmp_path / "x.zip", {"a/b/one.png": b"1"}), folder)
    assert everything_below(outside) == []


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_damage_gets_out_as_anything_but_an_error_of_ours(tmp_path, folder, compression) -> None:
    archive = pack(tmp_path / "x.zip", {"a/one.png": bytes(range(256)) * 3, "two.csv": b"file,patient"}, compression)
    whole, draw = archive.read_bytes(), np.random.default_rng(0)
    refused = 0
    for number in range(150):
        (place := folder / str(number)).mkdir()
        content = bytearray(whole)
        content[draw.integers(len(content))] = draw.integers(256)
        archive.write_bytes(content)
        try:
            safe_unpack(archive, place)
        except DataError:
            refused += 1
        assert not [name for name in everything_below(place) if name.endswith(".partial")]
    assert refused > 75


@pytest.mark.parametrize("content", [b"keep me", SCANS["table.csv"]])
def test_a_link_in_the_place_of_a_file_is_replaced_by_the_file(tmp_path, folder, content) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_bytes(content)
    (folder / "table.csv").symlink_to(outside)
    safe_unpack(pack(tmp_path / "x.zip", SCANS), folder)
    assert outside.read_bytes() == content
    assert not (folder / "table.csv").is_symlink()
    assert (folder / "table.csv").read_bytes() == SCANS["table.csv"]


def test_a_disk_that_is_too_small_is_said_before_a_byte_is_written(tmp_path, folder, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: type("Usage", (), {"free": 13_000}))
    refuse(pack(tmp_path / "x.zip", SCANS), folder, "13,253 bytes are needed, 13,000 are free")


def test_an_unknown_packing_says_what_to_do(tmp_path, folder) -> None:
    archive = pack(tmp_path / "x.zip", {"one.png": b"1" * 300})
    patch(archive, b"\x00\x00\x08\x00", b"\x00\x00\x09\x00")
    refuse(archive, folder, "'one.png' is packed in a way that is not read here")


@pytest.mark.parametrize(
    ("content", "answer"), [(b"PK\x03\x04rest", True), (b"PK\x05\x06", True), (b"\x89PNG", False), (b"", False)]
)
def test_an_archive_is_known_by_its_first_bytes(tmp_path, content, answer) -> None:
    path = tmp_path / "scans.dat"
    path.write_bytes(content)
    assert is_archive(path) is answer
    assert not is_archive(tmp_path)


def test_a_path_is_inside_once_its_links_are_followed(tmp_path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "rooted").write_bytes(b"")
    (root / "out").symlink_to(tmp_path / "rooted")
    (root / "in").symlink_to(root / "a")
    (root / "loop").symlink_to(root / "loop")
    names = ("a", "in", "out", "loop", "../rooted")
    assert [inside(root, root / name) for name in names] == [True, True, False, False, False]
