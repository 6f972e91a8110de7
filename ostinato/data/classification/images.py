"""Grey images in the IDX files of MNIST, read as rows, as patches or as pixels.

An image of 28 times 28 is a series of 28 steps of 28 numbers, of 784 steps of one, or by patches of
4 times 4 of 49 steps of 16: row by row from the left, as are the pixels within each.
"""

import gzip
import math
import struct
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.errors import DataError

Steps = Literal["rows", "pixels", "patches"]


def read_images(path: Path, steps: Steps, patch_size: int, *, labelled: bool) -> SampleStream:
    """The images of `NAME-images-idx3-ubyte` and their classes in `NAME-labels-idx1-ubyte`.

    Args:
        path: of the images; may be .gz.
        steps: what a step is.
        patch_size: side of a patch in pixels, where steps are patches.
        labelled: whether to read the classes.

    Raises:
        DataError: no such files, damaged ones, or images and labels of different number.
    """
    images = _read_idx(path, 3)
    labels: list[str] | None = None
    if labelled:
        beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
        if beside == path:
            raise DataError(f"{path} must have `images` in its name, to find its labels beside it")
        labels = [str(label) for label in _read_idx(beside, 1)]
        if len(labels) != len(images):
            raise DataError(f"{path} holds {len(images)} images, but {beside} {len(labels)} labels")
    if steps == "pixels":
        images = images.reshape(len(images), -1, 1)
    elif steps == "patches":
        images = in_patches(images, patch_size, str(path))
    kind = "column" if steps == "rows" else "pixel"
    features = tuple(f"{kind} {place}" for place in range(1, images.shape[2] + 1))
    samples = (
        Sample(
            image.astype(np.float32) / np.float32(255),
            None if labels is None else labels[number],
            f"image {number + 1}",
        )
        for number, image in enumerate(images)
    )
    return SampleStream(samples, str(path), features)


def in_patches(images: NDArray[np.uint8], size: int, name: str) -> NDArray[np.uint8]:
    """Images (number, height, width) as (number, patches, pixels of a patch).

    Raises:
        DataError: the images cannot be cut into such patches.
    """
    number, height, width = images.shape
    if height % size or width % size:
        raise DataError(
            f"{name} holds images of {height} x {width} pixels, which are not to be cut into "
            f"patches of {size} x {size}: give a --patch-size that divides both"
        )
    cut = images.reshape(number, height // size, size, width // size, size)
    return cut.swapaxes(2, 3).reshape(number, -1, size * size)


def _read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    if not path.is_file():
        raise DataError(f"there is no file {path} (looked in {Path.cwd()})")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    begin = 4 + 4 * dimensions
    if len(content) < begin or content[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(f"{path} is no IDX file of bytes with {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:begin])
    if len(content) - begin != math.prod(shape) or shape[0] == 0:
        raise DataError(
            f"{path} should hold {' x '.join(map(str, shape))} bytes, but holds "
            f"{len(content) - begin}: it is empty, or was cut off"
        )
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)
