"""Image files: a folder of them for each class, a folder without classes, or one file.

They are read with Pillow, the first picture of files that hold several, turned as the camera was
held; what can be seen through lies on white. Numbers are between 0 and 1.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.image_steps import ImageLayout
from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.data.text_reading import Meter, Progress
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError, missing_extra

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".pgm", ".ppm", ".pbm"),
)
_DEEP = 65535


def is_image(path: Path) -> bool:
    """Whether the name says that a file is an image."""
    return path.suffix.lower() in SUFFIXES


def holds_images(folder: Path) -> bool:
    """Whether a folder, or the first folder in it that holds a file, holds images."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        seen = [Path(name) for name in files if name[0] != "."]
        if any(map(is_image, seen)):
            return True
        if seen and Path(place) != folder:
            return False
    return False


def read_image_files(
    path: Path, layout: ImageLayout, *, labelled: bool, progress: Progress | None = None
) -> SampleStream:
    """Every image of a folder, or of one file, in the order of their names.

    Args:
        path: with `labelled` a folder with a folder of images, at any depth, for each class.
        layout: how they are read.
        labelled: whether to read the classes.
        progress: as `stream_samples` takes it.

    Raises:
        DataError: no image; a file that is none, or of another width than the first.
        MissingExtraError: Pillow is not installed.
    """
    files = [path] if path.is_file() else _files(path, labelled=labelled)
    meter = Meter(progress, [TextSource(str(file), file) for file in files], "reading")
    features = layout.features(_read(files[0], layout).shape[1])

    def samples() -> Iterator[Sample]:
        for file in files:
            within = Path(file.name) if file == path else file.relative_to(path)
            image = _read(file, layout)
            series = layout.series(image, str(file))
            if series.shape[1] != len(features):
                raise DataError(
                    f"{file} is {image.shape[1]} pixels wide, and {files[0]} is not: give "
                    "--image-size, a side in pixels to which all are scaled"
                )
            meter.add(file.stat().st_size)
            yield Sample(series, within.parts[0] if labelled else None, str(within))

    return SampleStream(samples(), str(path), features)


def _files(folder: Path, *, labelled: bool) -> list[Path]:
    found = []
    for file in sorted(folder.rglob("*")):
        hidden = any(part[0] == "." for part in file.relative_to(folder).parts)
        if hidden or not file.is_file() or (file.parent == folder and not is_image(file)):
            continue
        if not is_image(file):
            raise DataError(
                f"{file} is no image ({', '.join(SUFFIXES)}): take it out of the folder"
            )
        if labelled and file.parent == folder:
            raise DataError(
                f"{file} lies in no folder that names its class: put the images of each class "
                "into a folder"
            )
        found.append(file)
    if not found:
        raise DataError(f"{folder} holds no image ({', '.join(SUFFIXES)})")
    return found


def _read(file: Path, layout: ImageLayout) -> NDArray[np.float32]:
    """An image (height, width, 1 or 3 colours)."""
    pillow, turned = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            with pillow.open(file) as opened:
                image = turned(opened)
                image.load()
    except (OSError, SyntaxError, ValueError) as problem:
        raise DataError(f"{file} is no image that can be read: {problem}") from None
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as problem:
        raise DataError(f"{file} is too large for an image: {problem}") from None
    if image.mode[0] in "IF":  # more than 8 bits a pixel, always grey
        image = pillow.fromarray(np.asarray(image, np.float32) / _DEEP)
    else:
        if image.has_transparency_data:
            seen = image.convert("RGBA")
            image = pillow.alpha_composite(pillow.new("RGBA", seen.size, "white"), seen)
        image = image.convert("RGB" if layout.colour else "L")
    if layout.size is not None:
        image = image.resize((layout.size, layout.size), pillow.Resampling.BILINEAR)
    numbers = np.asarray(image, np.float32)
    if image.mode != "F":
        numbers = numbers / np.float32(255)
    numbers = np.atleast_3d(numbers)
    wanted = 3 if layout.colour else 1
    return np.repeat(numbers, wanted, 2) if numbers.shape[2] < wanted else numbers


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError as problem:
        raise missing_extra("pillow", "images") from problem
    return Image, ImageOps.exif_transpose
