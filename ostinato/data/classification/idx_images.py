"""Grey images in the IDX files of MNIST."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ostinato.data.classification.image_steps import ImageLayout
from ostinato.data.classification.samples import Sample, SampleStream
from ostinato.errors import DataError


def is_idx(path: Path) -> bool:
    """Whether the name says that a file holds images as MNIST's do."""
    return "idx3" in path.name and not path.is_dir()


def read_idx_images(path: Path, layout: ImageLayout, *, labelled: bool) -> SampleStream:
    """The images of `NAME-images-idx3-ubyte` and their classes in `NAME-labels-idx1-ubyte`.

    Args:
        path: of the images; may be .gz.
        layout: how they are read.
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
    samples = (
        Sample(
            layout.series(
                image[..., None].astype(np.float32) / np.float32(255), f"each image of {path}"
            ),
            None if labels is None else labels[number],
            f"image {number + 1}",
        )
        for number, image in enumerate(images)
    )
    return SampleStream(samples, str(path), layout.features(images.shape[2]))


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
