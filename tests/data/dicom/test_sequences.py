from __future__ import annotations

import pytest

from glioray.data.dicom.sequences import DEFAULT_PATTERNS, sort_series
from glioray.data.dicom.series import Series


def series_of(description="", protocol="", folder="", stack="", modality="MR"):
    return Series("1", "P", "", modality, description, protocol, folder, stack, (), ("a",), (), None, None)


def name_of(**texts):
    found = sort_series([series_of(**texts)])
    return "mask" if found.masks else next(iter(found.sequences), None)


AS_SCANNERS_WRITE = {
    "t1": [
        "AX T1 PRE CONTRAST",
        "T1 without contrast",
        "T1 non contrast",
        "T1 non-contrast",
        "T1 noncontrast",
        "T1 w/o gd",
        "T1 W/O C",
        "T1 wo contrast",
        "T1 no gd",
        "T1W pre GD",
        "T1 pre +C",
        "T1_PRE",
        "T1 pre-Gd FS",
        "t1_tse_ohne_KM",
        "T1 unenhanced",
        "T1 C-SPINE",
        "T1C-SPINE",
        "T1 SE+FS",
        "AX T1 POST OP",
        "T1 POST-OP",
        "T1 posterior fossa",
        "T1 POST FOSSA",
        "Ax T1 FLAIR",
        "t1_tirm_tra_dark-fluid",
        "MPRAGE PRE",
        "t1_mp2rage_sag_UNI_Images",
        "t1_fl2d_tra",
        "T1_FFE",
        "T1W_SE",
        "T1/SE/extrp",
        "t1_mprage_sag_p2_iso",
        "3D MPRAGE",
        "T1 SE composite",
        "anat-T1w",
        "sub-01_T1w",
    ],
    "t1ce": [
        "T1 FLAIR +C",
        "Ax T1 FLAIR POST",
        "T1 W/O FS POST GD",
        "AX T1 POST GD",
        "AX T1 POST-OP GD",
        "T1 POSTCONTRAST",
        "T1 postgd",
        "T1+C SE",
        "T1 + C",
        "T1 C+",
        "T1+",
        "T1W+ SAG",
        "T1 SE +",
        "T1 with contrast",
        "T1 W/ GD",
        "t1ce",
        "t1c",
        "T1Gd",
        "t1wce",
        "t1_tse_km",
        "T1 gadolinium",
        "T1 Gd-enhanced",
        "POST CONTRAST T1",
        "ce-gadolinium_T1w",
        "3D BRAVO +C",
        "SAG MPRAGE POST GD",
        "t1_se_tra+",
    ],
    "t2": ["T2_TSE_TRA", "T2 POST GD", "sT2W/TSE", "sT2/TSE/T", "t2_space_sag", "T2W_TSE_512", "AX T2 FSE"],
    "flair": ["T2 FLAIR", "sT2W/FLAIR", "FLAIR +C", "FLAIR POST GD", "t2_tirm_tra_dark-fluid"],
    None: [
        "t1_mp2rage_sag_T1_Images",
        "t1_mp2rage_sag_INV1",
        "T1 map",
        "T1_MAP",
        "T2 map",
        "T2map",
        "T2_mapping",
        "T2* map",
        "AX T2*",
        "AX T2* GRE",
        "AX T2 GRE",
        "T2W_FFE",
        "T2star",
        "T2 star",
        "t2_fl2d_tra_hemo",
        "T2W*",
        "ADC",
        "ADC (10^-6 mm2/s)",
        "ep2d_diff_t2_ADC",
        "T1 POST - T1 PRE SUB",
        "T1 subtraction",
        "T1 perfusion",
        "T1rho",
        "T12 spine",
        "TOF carotid",
        "ep2d_diff_3scan",
        "",
        "sub-01_ep2d_bold",
    ],
    "mask": ["FLAIR_ROI", "tumor mask"],
}


@pytest.mark.parametrize(
    ("description", "name"), [(text, name) for name, texts in AS_SCANNERS_WRITE.items() for text in texts]
)
def test_descriptions_in_the_wild_name_their_sequence(description, name) -> None:
    assert name_of(description=description) == name


def test_the_description_speaks_before_the_protocol_and_that_before_the_folder() -> None:
    assert name_of(description="T1", protocol="FLAIR", folder="T2") == "t1"
    assert name_of(description="AX", protocol="FLAIR", folder="T2") == "flair"
    assert name_of(folder="T2") == "t2"


@pytest.mark.parametrize("description", ["AX T2*", "T2 map", "AX T2 GRE", "ADC"])
def test_a_description_of_no_channel_is_not_overruled_by_its_folder(description) -> None:
    assert name_of(description=description, protocol="T2", folder="T2") is None


def test_own_patterns_may_name_folders_whatever_the_description_tells() -> None:
    found = sort_series([series_of("T1 map", folder="wanted")], {"t1map": "^wanted$"})
    assert list(found.sequences) == ["t1map"]


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
