"""Image files become series: grey or coloured, turned, scaled, in folders of classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ostinato.data.classification.codec import SeriesCodec
from ostinato.data.classification.columns import Columns
from ostinato.data.classification.image_steps import ImageLayout
from ostinato.data.classification.reading import layout_of, read_samples
from ostinato.data.classification.samples import Samples
from ostinato.errors import DataError

RED = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]], np.uint8)
GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def write(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def read(path: Path, *, labelled: bool = True, **images: object) -> Samples:
    layout = layout_of(path, Columns(), images=ImageLayout(**images))  # pyright: ignore[reportArgumentType]
    assert layout.format == "images"
    return read_samples(path, layout, labelled=labelled)


def test_a_folder_a_class_holds_images_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "dog" / "b.png", GREY)
    write(tmp_path / "cat" / "young" / "a.PNG", GREY + 1)
    write(tmp_path / "cat" / "z.bmp", GREY[:2] + 2)
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "README.txt").write_text("of a friend\n")
    found = read(tmp_path)
    assert list(found.labels) == ["cat", "cat", "dog"]
    assert list(found.places) == ["cat/young/a.PNG", "cat/z.bmp", "dog/b.png"]
    assert found.features == tuple(f"column {place} of 4" for place in (1, 2, 3, 4))
    np.testing.assert_allclose(found.inputs[0], (GREY + 1) / 255.0, rtol=1e-6)
    np.testing.assert_allclose(found.inputs[1], (GREY[:2] + 2) / 255.0, rtol=1e-6)
    np.testing.assert_allclose(read(tmp_path / "dog", labelled=False).inputs[0], GREY / 255.0)
    one = read(tmp_path / "dog" / "b.png", labelled=False, steps="pixels")
    np.testing.assert_allclose(np.asarray(one.inputs[0])[:, 0], GREY.ravel() / 255.0)


def test_colours_stand_beside_each_other_in_a_step(tmp_path: Path) -> None:
    path = write(tmp_path / "red" / "a.png", RED)
    found = read(tmp_path, colour=True)
    assert found.features[2:4] == ("column 1 of 2 blue", "column 2 of 2 red")
    np.testing.assert_allclose(found.inputs[0], RED.reshape(2, 6) / 255.0)
    pixels = read(tmp_path, colour=True, steps="pixels")
    np.testing.assert_allclose(pixels.inputs[0], RED.reshape(4, 3) / 255.0)
    patches = read(tmp_path, colour=True, steps="patches", patch_size=2)
    np.testing.assert_allclose(patches.inputs[0], RED.reshape(1, 12) / 255.0)
    # ITU-R BT.601: 0.299 of red, 0.587 of green, 0.114 of blue.
    grey = np.asarray(read(path, labelled=False).inputs[0])
    np.testing.assert_allclose(grey[0], [0.299, 0.587], atol=1 / 255)
    write(tmp_path / "grey" / "b.png", GREY[:2, :2])
    np.testing.assert_allclose(
        read(tmp_path, colour=True).inputs[0], np.repeat(GREY[:2, :2], 3, 1) / 255.0, rtol=1e-6
    )


def test_deep_and_transparent_images_keep_what_they_show(tmp_path: Path) -> None:
    deep = write(tmp_path / "deep.png", np.array([[0, 257, 65535]], np.uint16))
    np.testing.assert_allclose(read(deep, labelled=False).inputs[0], [[0, 1 / 255, 1]], atol=1e-6)
    ink = np.zeros((1, 2, 4), np.uint8)
    ink[0, 1, 3] = 255  # black, of which the first pixel can be seen through
    drawn = write(tmp_path / "drawn.png", ink)
    np.testing.assert_allclose(read(drawn, labelled=False).inputs[0], [[1, 0]])


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by a quarter to the right
    path = write(tmp_path / "a.png", GREY, exif=exif)
    np.testing.assert_allclose(read(path, labelled=False).inputs[0], np.rot90(GREY, -1) / 255.0)


def test_images_of_all_sizes_are_scaled(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", np.full((5, 9), 51, np.uint8))
    write(tmp_path / "a" / "2.png", np.full((70, 30), 102, np.uint8))
    found = read(tmp_path, size=8)
    for series, value in zip(found.inputs, (0.2, 0.4), strict=True):
        np.testing.assert_allclose(series, np.full((8, 8), value), rtol=1e-6)
    with pytest.raises(DataError, match=r"2.png is 30 pixels wide, .*1.png is not: .*--image-size"):
        read(tmp_path)
    assert [len(series) for series in read(tmp_path, steps="pixels").inputs] == [45, 2100]


@pytest.mark.parametrize("width", [3, 5])
def test_no_part_of_a_wider_image_is_taken_for_the_whole(tmp_path: Path, width: int) -> None:
    trained = read(write(tmp_path / "4.png", GREY), labelled=False)
    codec = SeriesCodec(trained.features, (0.0,) * 4, (1.0,) * 4)
    other = read(write(tmp_path / "other.png", np.resize(GREY, (3, width))), labelled=False)
    with pytest.raises(DataError, match=f"other.png: a step has {width} numbers, and 4 in trai"):
        codec.encode(other)


def test_a_folder_of_images_may_be_called_as_mnist_s_files_are(tmp_path: Path) -> None:
    write(tmp_path / "train-idx3" / "a" / "1.png", GREY)
    assert list(read(tmp_path / "train-idx3").labels) == ["a"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/broken.png", r"broken.png is no image that can be read: cannot identify"),
        ("a/notes.txt", r"notes.txt is no image \(.png, .*\): take it out of the folder"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, name: str, message: str) -> None:
    write(tmp_path / "a" / "1.png", GREY)
    (tmp_path / name).write_text("words\n")
    with pytest.raises(DataError, match=message):
        read(tmp_path)


def test_images_without_a_class_are_refused_where_one_is_needed(tmp_path: Path) -> None:
    path = write(tmp_path / "1.png", GREY)
    with pytest.raises(DataError, match=r"1.png lies in no folder that names its class"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"1.png tells no class"):
        read(path)
    with pytest.raises(DataError, match=r"there is no file or folder .*other.png"):
        read(tmp_path / "other.png")


def test_a_cut_off_image_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "1.png", np.zeros((50, 50), np.uint8) + GREY[0, 1])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"1.png is no image that can be read"):
        read(tmp_path)
