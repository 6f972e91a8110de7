"""An image as a series: its rows, its pixels or its patches, from the left above.

An image of 28 times 28 is 28 steps of 28 numbers, 784 steps of one, or by patches of 4 times 4
49 steps of 16. Of a coloured one each pixel is three numbers: red, green, blue.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ostinato.errors import DataError

Steps = Literal["rows", "pixels", "patches"]
COLOURS = ("red", "green", "blue")


class ImageLayout(NamedTuple):
    """How images are read.

    Attributes:
        steps: what a step is.
        patch_size: side of a patch in pixels, where steps are patches.
        size: side in pixels to which image files are scaled; None: as they are.
        colour: whether image files are read in colour; else in grey.
    """

    steps: Steps = "rows"
    patch_size: int = 4
    size: int | None = None
    colour: bool = False

    def features(self, width: int) -> tuple[str, ...]:
        """What the numbers of a step are, of images of this width.

        Rows of images of another width have no name in common with these, so that none is taken for
        a part of the other.
        """
        count = {"rows": width, "pixels": 1, "patches": self.patch_size**2}[self.steps]
        name = f"column {{}} of {width}" if self.steps == "rows" else "pixel {}"
        names = [name.format(place) for place in range(1, count + 1)]
        if not self.colour:
            return tuple(names)
        return tuple(f"{name} {colour}" for name in names for colour in COLOURS)

    def series(self, image: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """An image (height, width, 1 or 3 colours) as steps (time, feature).

        Args:
            image: numbers between 0 and 1.
            name: of the image, for messages.

        Raises:
            DataError: it cannot be cut into such patches.
        """
        height, width, colours = image.shape
        if self.steps == "rows":
            return image.reshape(height, width * colours)
        if self.steps == "pixels":
            return image.reshape(height * width, colours)
        size = self.patch_size
        if height % size or width % size:
            raise DataError(
                f"{name} is {height} x {width} pixels, which are not to be cut into patches of "
                f"{size} x {size}: give a --patch-size that divides both"
            )
        cut = image.reshape(height // size, size, width // size, size, colours)
        return cut.swapaxes(1, 2).reshape(-1, size * size * colours)


AS_ROWS = ImageLayout()
