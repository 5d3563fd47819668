from __future__ import annotations

from glioray.data.dicom.folder import dicom_files
from glioray.data.dicom.series import find_series


def test_files_are_known_by_content_and_others_are_counted(tmp_path, write_series) -> None:
    write_series(folder="a/b")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "short.dcm").write_bytes(b"DICM")
    (tmp_path / "a" / ".hidden").write_bytes(bytes(128) + b"DICM")
    write_series(folder="__MACOSX/a")
    (tmp_path / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    found, skipped = dicom_files(tmp_path)
    assert len(found) == 5
    assert skipped == {"hidden": 2, "not DICOM": 2, "DICOMDIR": 1}


def test_a_link_to_a_folder_outside_is_not_followed(tmp_path, write_series) -> None:
    write_series(folder="outside")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert find_series(root).series == []
