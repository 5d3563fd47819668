from __future__ import annotations

import pytest

from glioray.data.dicom.sequences import DEFAULT_PATTERNS, sort_series
from glioray.data.dicom.series import Series


def series_of(description="", protocol="", folder="", stack="", modality="MR"):
    return Series("1", "P", "", modality, description, protocol, folder, stack, (), (), ("a",), (), None, None)


def name_of(**texts):
    found = sort_series([series_of(**texts)])
    return "mask" if found.masks else next(iter(found.sequences), None)


@pytest.mark.parametrize(
    ("description", "name"),
    [
        ("sT2W/FLAIR", "flair"),
        ("t2_tirm_tra_dark-fluid", "flair"),
        ("sT2/TSE/T", "t2"),
        ("AX T2 FSE", "t2"),
        ("AX T2* GRE", None),
        ("T2star", None),
        ("T1/SE/extrp", "t1"),
        ("t1_mprage_sag_p2_iso", "t1"),
        ("3D MPRAGE", "t1"),
        ("anat-T1w", "t1"),
        ("AX T1 POST GD", "t1ce"),
        ("T1+C SE", "t1ce"),
        ("t1ce", "t1ce"),
        ("t1_tse_km", "t1ce"),
        ("T1 gadolinium", "t1ce"),
        ("POST CONTRAST T1", "t1ce"),
        ("T1 SE composite", "t1"),
        ("FLAIR_ROI", "mask"),
        ("tumor mask", "mask"),
        ("TOF carotid", None),
        ("ep2d_diff_3scan", None),
        ("", None),
    ],
)
def test_descriptions_in_the_wild_name_their_sequence(description, name) -> None:
    assert name_of(description=description) == name


def test_the_description_speaks_before_the_protocol_and_that_before_the_folder() -> None:
    assert name_of(description="T1", protocol="FLAIR", folder="T2") == "t1"
    assert name_of(description="AX", protocol="FLAIR", folder="T2") == "flair"
    assert name_of(folder="T2") == "t2"


def test_a_folder_of_masks_makes_a_mask_of_what_is_called_flair() -> None:
    assert name_of(description="sT2W/FLAIR", folder="ROI") == "mask"


def test_a_segmentation_object_is_a_mask_whatever_it_is_called() -> None:
    assert name_of(description="T1", modality="SEG") == "mask"


def test_own_patterns_take_the_place_of_the_table() -> None:
    given = [series_of("sT2W/FLAIR"), series_of("sT2W/TSE"), series_of("T1")]
    found = sort_series(given, {"t2": "t2w", "flair": "FLAIR"})
    assert {name: len(some) for name, some in found.sequences.items()} == {"flair": 1, "t2": 1}
    assert found.others == [given[2]]


def test_a_stack_can_be_told_by_its_own_words() -> None:
    found = sort_series([series_of("TSE", stack="EchoTime=80"), series_of("TSE", stack="EchoTime=20")], {"t2": "=80"})
    assert found.sequences["t2"][0].stack == "EchoTime=80"


def test_a_contrast_t1_comes_before_the_plain_one() -> None:
    assert list(DEFAULT_PATTERNS).index("t1ce") < list(DEFAULT_PATTERNS).index("t1")
