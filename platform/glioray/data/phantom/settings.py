"""What a phantom is asked for."""

from __future__ import annotations

from pydantic import Field

from glioray.frozen import Frozen


class PhantomSettings(Frozen):
    """How many synthetic patients, how finely scanned; the same settings give the same bytes."""

    num_patients: int = Field(
        64, ge=4, le=9999, description="Patients in all; glioma, meningioma, notumor, pituitary take turns."
    )
    image_size: int = Field(160, ge=32, le=512, description="Pixels along a side of a slice.")
    num_slices: int = Field(40, ge=8, le=160, description="Axial slices of a volume, covering the brain.")
    slices_per_patient: int = Field(6, ge=1, le=16, description="Images of a patient for classification.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Another seed, other patients.")
