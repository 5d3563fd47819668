from __future__ import annotations

import pytest

from glioray.errors import DataError
from glioray.serving.volume_file import refuse_large
from glioray.serving.volume_settings import Limits

LIMITS = Limits(body_bytes=1000, members=10, slices=20, voxels=40_000, unpacked_bytes=100_000)


@pytest.mark.parametrize(
    ("shape", "itemsize", "said"),
    [
        ((21, 1, 32, 32), 1, "21 slices; at most 20"),
        ((20, 2, 32, 32), 1, "40,960 voxels over all sequences; at most 40,000"),
        ((16, 2, 32, 32), 8, "0 MB unpacked"),
    ],
)
def test_a_volume_is_refused_by_what_its_header_says_of_it(shape, itemsize, said):
    with pytest.raises(DataError, match=said):
        refuse_large(shape, itemsize, LIMITS, "scan.nii")


def test_a_volume_within_all_limits_is_taken():
    refuse_large((16, 2, 32, 32), 2, LIMITS, "scan.nii")
