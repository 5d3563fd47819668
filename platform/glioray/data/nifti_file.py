"""A NIfTI volume as axial slices, turned the same way whatever its own axes are.

The header is judged before anything of the size that it claims is read.
"""

from __future__ import annotations

import gzip
import itertools
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from glioray.data.machine_errors import raise_if_of_machine
from glioray.data.scan_file import MemoryFile, ScanFile, read_at_most
from glioray.errors import UnreadableError

MOST_VOXELS = 2**27  # of a file, over all its axes: 512 x 512 x 128 x 4
MOST_BYTES_BEFORE_VOXELS = 2**24
MOST_SPACING_MM = 100.0
GRID_TOLERANCE = 0.1  # of the shortest side of a voxel
GZIP_MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS  # for zlib: a gzip wrapper, whose checksum is verified
DAMAGED = (HeaderDataError, WrapStructError, zlib.error, OSError, EOFError, ValueError, KeyError, OverflowError)


@dataclass(frozen=True)
class NiftiVolume:
    """A file whose header was found sound; `read` fetches its voxels.

    `shape` and `affine` are of the file's own axes, of which any beyond the third are channels.
    """

    file: ScanFile
    name: str
    header: Nifti1Header
    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @property
    def slices_shape(self) -> tuple[int, ...]:
        """(N, H, W), and the channels where there are any."""
        right, front, up = self._file_axes()
        return (self.shape[up], self.shape[front], self.shape[right], *self.shape[3:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the voxels as they are read."""
        dtype: np.dtype[Any] = self.header.get_data_dtype().newbyteorder("=")
        return _scaled_type(dtype) if _has_scale(self.header) else dtype

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Between the centers of slices, rows and columns."""
        right, front, up = self._file_axes()
        sizes = voxel_sizes(self.affine)
        return float(sizes[up]), float(sizes[front]), float(sizes[right])

    def read(self) -> NDArray[Any]:
        """(N, H, W) or (N, H, W, C): slices from the lowest up, rows front to back, columns right to left.

        A view in the type of the file, which is not to be written to; in real numbers where the header has a slope.

        Raises:
            UnreadableError: the file is shorter than its header says, damaged, or holds NaN or infinity.
        """
        try:
            voxels = _scaled(_voxels(self.file, self.header, self.shape), self.header)
        except DAMAGED as error:
            raise _unreadable(self.name, error) from None
        if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
            raise UnreadableError(f"{self.name}: it holds values that are not finite (NaN or infinity).")
        return to_slices(voxels, self.affine)

    def refuse_other_grid(self, reference: NiftiVolume) -> None:
        """Voxels of both must lie in the same places, to a tenth of a voxel.

        Raises:
            UnreadableError: another shape, or another place, direction or spacing.
        """
        if self.shape[:3] != reference.shape[:3]:
            raise UnreadableError(
                f"{self.name}: {_sides(self.shape)} voxels, but {reference.name} has {_sides(reference.shape)}; "
                "all files of a case must be on one grid."
            )
        ends = itertools.product(*((0, length - 1) for length in self.shape[:3]))
        corners = np.array([(*end, 1) for end in ends], dtype=np.float64)
        apart_mm = float(np.abs(corners @ (self.affine - reference.affine).T).max())
        if apart_mm > GRID_TOLERANCE * min(reference.spacing_mm):
            raise UnreadableError(
                f"{self.name}: its voxels lie up to {apart_mm:.3g} mm from those of {reference.name}, by the headers; "
                "all files of a case must be on one grid. Register or resample them first."
            )

    def _file_axes(self) -> tuple[int, int, int]:
        """The file's axes that run most nearly left-right, back-front and foot-head."""
        order = np.argsort(io_orientation(self.affine)[:, 0])
        return int(order[0]), int(order[1]), int(order[2])


def to_slices(voxels: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
    """(N, H, W, ...) of voxels in a file's own axes, a view: slices up, rows to the back, columns to the left."""
    canonical = apply_orientation(voxels, io_orientation(affine))
    slices: NDArray[Any] = canonical[::-1, ::-1].swapaxes(0, 2)
    return slices


def to_voxels(slices: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
    """The way back of `to_slices`: (N, H, W) in the axes of the file that has this affine, a view."""
    canonical = slices.swapaxes(0, 2)[::-1, ::-1]
    own = io_orientation(affine)
    straight = np.array([[0, 1], [1, 1], [2, 1]])
    voxels: NDArray[Any] = apply_orientation(canonical, ornt_transform(straight, own))
    return voxels


def open_nifti(
    file: ScanFile, name: str, num_axes: int | tuple[int, ...] = 3, most_voxels: int = MOST_VOXELS
) -> NiftiVolume:
    """A volume whose header was read and checked, not its voxels.

    Args:
        file: packed or not, whatever its ending says.
        name: how errors name it.
        num_axes: 3, or 4 for a volume with channels, or both; longer shapes may end in ones.
        most_voxels: more, over all axes, are refused.

    Raises:
        UnreadableError: no NIfTI, a damaged header, or a volume that cannot be one of a head.
        OSError: the machine failed, not the file.
    """
    try:
        header = _header(_first_bytes(file))
        shape = tuple(int(length) for length in header.get_data_shape())
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
        header.get_slope_inter()
        header.get_data_offset()
    except DAMAGED as error:
        raise _unreadable(name, error) from None
    wanted = (num_axes,) if isinstance(num_axes, int) else num_axes
    while len(shape) > min(wanted) and shape[-1] == 1:
        shape = shape[:-1]
    _check_shape(shape, wanted, most_voxels, name)
    _check_content(header, name)
    _check_affine(affine, header, name)
    return NiftiVolume(file, name, header, shape, affine)


def is_nifti(content: bytes) -> bool:
    """Whether bytes begin as a NIfTI volume of one file does, packed or not."""
    try:
        start = _first_bytes(MemoryFile("", content))
    except DAMAGED:
        return False
    # nibabel's header would log what is wrong with bytes that are none.
    sizes = {kind.sizeof_hdr: start[at : at + 4] for kind, at in ((Nifti1Header, 344), (Nifti2Header, 4))}
    return any(size in _first_number(start) and magic[:2] == b"n+" for size, magic in sizes.items())


def read_nifti(file: ScanFile, name: str) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """(N, H, W) from the lowest slice up, and the spacing in mm between slices, rows and columns.

    Rows run from front to back, columns from the patient's right to left, as a radiologist looks at them.

    Raises:
        UnreadableError: not a 3D NIfTI, or a damaged one.
    """
    volume = open_nifti(file, name)
    return np.array(volume.read(), order="C"), volume.spacing_mm


def _first_bytes(file: ScanFile) -> bytes:
    """As many as the longer of the two headers has."""
    with file.open("rb") as opened:
        start = opened.read(2**16)
    if not start.startswith(GZIP_MAGIC):
        return start[: Nifti2Header.sizeof_hdr]
    return zlib.decompressobj(GZIP).decompress(start, Nifti2Header.sizeof_hdr)


def _header(start: bytes) -> Nifti1Header:
    kind = Nifti2Header if Nifti2Header.sizeof_hdr in _first_number(start) else Nifti1Header
    header = kind(start[: kind.sizeof_hdr])
    if not bytes(header["magic"]).startswith(kind.single_magic[:3]):
        raise ValueError("its voxels are in a second file, .img; save it as one .nii")
    return header


def _first_number(start: bytes) -> tuple[int, int]:
    """The header's size, as written by a little- and by a big-endian machine."""
    return int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")


def _check_shape(shape: tuple[int, ...], wanted: tuple[int, ...], most_voxels: int, name: str) -> None:
    if len(shape) not in wanted or min(shape) < 1:
        numbers = " or ".join(map(str, wanted))
        raise UnreadableError(f"{name}: {len(shape)} axes {shape}; wanted a volume of {numbers}.")
    if math.prod(shape) > most_voxels:
        raise UnreadableError(
            f"{name}: its header claims {_sides(shape)} voxels; at most {most_voxels:,} are read, "
            "which no scan of a head exceeds."
        )


def _check_content(header: Nifti1Header, name: str) -> None:
    dtype, start = header.get_data_dtype(), int(header.get_data_offset())
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise UnreadableError(f"{name}: voxels of type {dtype}; wanted whole or real numbers of at most 8 bytes.")
    if not header.sizeof_hdr <= start <= MOST_BYTES_BEFORE_VOXELS:
        raise UnreadableError(f"{name}: its header says that the voxels begin at byte {start:,}; it is damaged.")


def _check_affine(affine: NDArray[np.float64], header: Nifti1Header, name: str) -> None:
    with np.errstate(over="ignore"):
        sizes = voxel_sizes(affine)
    plausible = np.isfinite(affine).all() and (sizes > 0).all() and (sizes <= MOST_SPACING_MM).all()
    if not plausible or np.isnan(io_orientation(affine)).any():
        raise UnreadableError(f"{name}: its header gives no usable place of the voxels: {affine[:3].tolist()}.")
    zooms = np.asarray(header.get_zooms()[:3], dtype=np.float64)
    if not np.allclose(zooms, sizes, rtol=0.01):
        raise UnreadableError(
            f"{name}: its header gives two spacings, {_sides(zooms)} and (in the affine) {_sides(sizes)} mm; "
            "find out which is true and write the file anew."
        )


def _sides(values: Any) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _voxels(file: ScanFile, header: Nifti1Header, shape: tuple[int, ...]) -> NDArray[Any]:
    """In the file's own axes and type, except that the bytes are in the machine's order."""
    dtype, start, count = header.get_data_dtype(), int(header.get_data_offset()), math.prod(shape)
    end = start + count * dtype.itemsize
    content = _content(file, end)
    if len(content) < end:
        raise EOFError(f"it ends after {len(content):,} of {end:,} bytes: truncated")
    voxels = np.frombuffer(content, dtype, count, start).reshape(shape, order="F")
    return voxels.astype(dtype.newbyteorder("="), copy=False)


def _content(file: ScanFile, most_bytes: int) -> bytes:
    """The first bytes of a file, unpacked where it is packed; never more than asked for."""
    with file.open("rb") as opened:
        if opened.peek(2)[:2] != GZIP_MAGIC:
            return read_at_most(opened, most_bytes)
        packed = read_at_most(opened, 2 * most_bytes + 2**16)
        unpacker = zlib.decompressobj(GZIP)
        content = unpacker.decompress(packed, most_bytes)
        if not unpacker.eof or len(content) >= most_bytes:
            return content
        opened.seek(0)
        with gzip.GzipFile(fileobj=opened) as members:  # packed in pieces, as bgzip and pigz do
            return read_at_most(members, most_bytes)


def _scaled(voxels: NDArray[Any], header: Nifti1Header) -> NDArray[Any]:
    """A copy where the header has a slope, else the voxels themselves: most files have none."""
    if not _has_scale(header):
        return voxels
    slope, offset = header.get_slope_inter()
    scaled: NDArray[Any] = voxels.astype(_scaled_type(voxels.dtype))
    scaled *= slope
    scaled += offset
    return scaled


def _has_scale(header: Nifti1Header) -> bool:
    slope, offset = header.get_slope_inter()
    return slope not in (None, 1) or offset not in (None, 0)


def _scaled_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Real numbers; of more than 4 bytes only where the file's are."""
    return np.dtype(np.float64 if dtype.itemsize > 4 else np.float32)


def _unreadable(name: str, error: Exception) -> UnreadableError:
    raise_if_of_machine(error)
    reason = " ".join(str(error).split()) or type(error).__name__
    return UnreadableError(f"{name}: not a readable NIfTI volume ({reason}).")
