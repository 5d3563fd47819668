"""The frames of a file as flat tags, of a plain slice and of an enhanced multi-frame alike."""

from __future__ import annotations

from typing import Any

# The group of tags that holds each tag we need; a group is given for each frame or once for all.
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "DiffusionBValue": "MRDiffusionSequence",
    "TemporalPositionIndex": "FrameContentSequence",
    "FrameAcquisitionNumber": "FrameContentSequence",
    "InversionTime": "MRTimingAndRelatedParametersSequence",
    "FrameType": "MRImageFrameTypeSequence",
    "ReferencedSegmentNumber": "SegmentIdentificationSequence",
}


def frame_items(dataset: Any, num_frames: int) -> list[Any]:
    """For each frame something whose `get(keyword)` gives the frame's tag.

    Raises:
        ValueError: the file does not describe as many frames as it claims.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if per_frame is None:
        # An old multi-frame without groups has one position for all: its frames have no place.
        return [dataset] if num_frames == 1 else [{}] * min(num_frames, 2)
    if len(per_frame) != num_frames:
        raise ValueError(f"it claims {num_frames} frames and describes {len(per_frame)}")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    common = _flat(shared[0]) if shared else {}
    return [{**common, **_flat(groups)} for groups in per_frame]


def _flat(groups: Any) -> dict[str, Any]:
    found = {}
    for keyword, group in GROUPS.items():
        items = groups.get(group)
        if items and items[0].get(keyword) is not None:
            found[keyword] = items[0].get(keyword)
    return found
