"""A walk through the slices of a case: the scan, the truth where it is known, the prediction; as GIF and as MP4.

Shapes: N slices, H x W pixels.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from glioray.evaluation.pictures import BLACK, FAINT, TEXT
from glioray.insight.outlined import FILL, enlargement, outlined
from glioray.serving.drawing import colors_of

MOST_FRAMES, FRAMES_A_SECOND = 60, 6
SIZES_PX, MOST_GIF_BYTES, GREYS, TINTS = (288, 208, 144, 96), 3_000_000, 120, 16
HEAD_PX, FOOT_PX, GAP_PX = 24, 22, 4
TIMEOUT_S = 120
Pixels = NDArray[np.uint8]


def walk_gif(grey: Pixels, panels: dict[str, Pixels], labels: dict[str, int], notice: str) -> bytes:
    """An animation that is at most `MOST_GIF_BYTES` large: of several sizes the largest that is.

    Args:
        grey: (N,H,W).
        panels: label maps (N,H,W) by what they are: the truth, the prediction.
        labels: value of each label in the maps.
        notice: below the pictures.
    """
    content = b""
    for size_px in SIZES_PX:
        frames = [
            frame.quantize(palette=_palette(labels), dither=Image.Dither.NONE)
            for frame in _frames(grey, panels, labels, notice, size_px)
        ]
        stream = io.BytesIO()
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=1000 // FRAMES_A_SECOND, loop=0)
        content = stream.getvalue()
        if len(content) <= MOST_GIF_BYTES:
            break
    return content


def walk_mp4(grey: Pixels, panels: dict[str, Pixels], labels: dict[str, int], notice: str, file: Path) -> bool:
    """Writes the same as a film; whether it did: false where this machine has no ffmpeg, or one that cannot."""
    program = shutil.which("ffmpeg")
    if program is None:
        return False
    frames = list(_frames(grey, panels, labels, notice, SIZES_PX[0]))
    width, height = frames[0].size
    command = [program, "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += [
        "-r",
        str(FRAMES_A_SECOND),
        "-i",
        "-",
        "-an",
        "-pix_fmt",
        "yuv420p",
        "-movflags",
        "+faststart",
        str(file),
    ]
    pixels = b"".join(frame.tobytes() for frame in frames)
    try:
        subprocess.run(command, input=pixels, check=True, capture_output=True, timeout=TIMEOUT_S)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        file.unlink(missing_ok=True)
        return False
    return True


def shown_slices(grey: Pixels) -> list[int]:
    """Of the slices (N,H,W) those that show anything, from the lowest up; some of many."""
    shown = np.flatnonzero(grey.max(axis=(1, 2)) > grey.min(axis=(1, 2)))
    shown = shown if len(shown) else np.arange(len(grey))
    places = np.linspace(0, len(shown) - 1, min(MOST_FRAMES, len(shown))).round().astype(int)
    return [int(shown[place]) for place in places]


def _frames(
    grey: Pixels, panels: dict[str, Pixels], labels: dict[str, int], notice: str, size_px: int
) -> Iterator[Image.Image]:
    """Of even width and height, which films ask for."""
    times = enlargement(grey.shape, size_px)
    for number in shown_slices(grey):
        empty = np.zeros_like(grey[number])
        pictures = [outlined(grey[number], empty, labels, times)]
        pictures += [outlined(grey[number], maps[number], labels, times) for maps in panels.values()]
        yield _frame(pictures, (f"slice {number + 1} of {len(grey)}", *panels), labels, notice)


def _palette(labels: dict[str, int]) -> Image.Image:
    """Greys, and of each label its own color and its tints: one chosen by how often colors occur loses a rare label."""
    colors = [(grey, grey, grey) for grey in np.linspace(0, 255, GREYS).round().astype(int).tolist()]
    colors += [ImageColor.getrgb(color)[:3] for color in (BLACK, TEXT, FAINT)]
    for color in sorted(set(colors_of(labels).values())):
        pure = np.array(ImageColor.getrgb(color))
        tints = np.linspace(0, 255, TINTS)[:, None] * (1 - FILL) + pure * FILL
        colors += [tuple(pure.tolist()), *map(tuple, tints.round().astype(int).tolist())]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for color in colors for part in color])
    return palette


def _frame(pictures: Sequence[Pixels], titles: Sequence[str], labels: dict[str, int], notice: str) -> Image.Image:
    height, width = pictures[0].shape[:2]
    total = (len(pictures) * (width + GAP_PX), HEAD_PX + height + 2 * FOOT_PX)
    frame = Image.new("RGB", (total[0] + total[0] % 2, total[1] + total[1] % 2), BLACK)
    draw, font = ImageDraw.Draw(frame), ImageFont.load_default(13)
    for place, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        left = place * (width + GAP_PX)
        frame.paste(Image.fromarray(picture), (left, HEAD_PX))
        draw.text((left + 4, 4), title, fill=TEXT, font=font)
    left = 4.0
    for name, color in colors_of(labels).items():
        draw.text((left, HEAD_PX + height + 3), name, fill=color, font=font)
        left += draw.textlength(name, font=font) + 14
    draw.text((4, HEAD_PX + height + FOOT_PX + 2), notice, fill=FAINT, font=font)
    return frame
