"""How large a served volume may be, and how many are worked on and kept; `args: volumes:` of a file in `serve/`."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from glioray.frozen import Frozen


@dataclass(frozen=True)
class Limits:
    """Of one volume, all of them held before memory is taken for it."""

    body_bytes: int
    voxels: int
    """of all sequences together"""
    slices: int
    unpacked_bytes: int
    members: int


class VolumeArgs(Frozen):
    """Settings of volumes and of the jobs that segment them; data only."""

    max_body_mb: float = Field(100, gt=0, le=4096, description="largest body of /v1/segment, in 10^6 bytes")
    max_voxels: int = Field(2**27, ge=2**10, le=2**31, description="of all sequences of a volume together")
    max_slices: int = Field(512, ge=1, le=4096, description="of a volume")
    max_unpacked_mb: float = Field(
        1000, gt=0, le=16_000, description="of what a gzip, zip or npz unpacks to, in 10^6 bytes"
    )
    max_members: int = Field(8192, ge=1, le=100_000, description="files in a zip")
    at_once: int = Field(1, ge=1, le=256, description="volumes worked on at the same time, over all models")
    max_waiting: int = Field(
        8, ge=1, le=10_000, description="volumes that wait or are worked on; one more is told to come back"
    )
    max_kept: int = Field(64, ge=1, le=10_000, description="finished jobs that are kept; the oldest makes room")
    max_kept_mb: float = Field(
        1000, gt=0, le=64_000, description="what bodies and results of all jobs may take, in 10^6 bytes"
    )
    keep_s: float = Field(900, gt=0, le=86_400, description="how long a finished job can be fetched")
    timeout_s: float = Field(900, gt=0, le=86_400, description="how long one volume may be worked on")
    retry_after_s: int = Field(10, ge=1, le=3600, description="when a refused volume may come back")

    @property
    def max_kept_bytes(self) -> int:
        """What bodies and results may take."""
        return int(self.max_kept_mb * 1e6)

    @property
    def limits(self) -> Limits:
        """Of one volume."""
        return Limits(
            int(self.max_body_mb * 1e6),
            self.max_voxels,
            self.max_slices,
            int(self.max_unpacked_mb * 1e6),
            self.max_members,
        )
