"""The picture of an alignment has both token rows and every weight."""

from pathlib import Path

import pytest
import torch

from ostinato.errors import ShapeError
from ostinato.xray.alignment import alignment_data, draw_alignment, plot_alignment

SOURCE, TARGET = ["ein", "Hund", "."], ["a", "dog"]
WEIGHTS = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]


def labels(figure: object) -> tuple[list[str], list[str]]:
    axes = figure.axes[0]
    both = axes.get_xticklabels(), axes.get_yticklabels()
    return tuple([tick.get_text() for tick in side] for side in both)


def test_the_source_is_along_the_top_and_the_target_down_the_side() -> None:
    figure = plot_alignment(torch.tensor(WEIGHTS), SOURCE, TARGET)
    assert labels(figure) == (SOURCE, TARGET)
    shown = torch.tensor(figure.axes[0].images[0].get_array())
    torch.testing.assert_close(shown, torch.tensor(WEIGHTS, dtype=shown.dtype))


def test_a_picture_is_written_whole(tmp_path: Path) -> None:
    picture = tmp_path / "new" / "alignment.png"
    draw_alignment(WEIGHTS, SOURCE, TARGET, picture, title="ein $ Hund")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [each.name for each in picture.parent.iterdir()] == ["alignment.png"]


def test_white_space_long_tokens_and_signs_without_a_font_can_be_read() -> None:
    tokens = ["\n", " a", "", "x" * 60, "\U000f0000", "$x_1$"]
    found, _ = labels(plot_alignment([[0.0] * 6], tokens, ["b"]))
    assert found == ["⏎", "␣a", "∅", "x" * 21 + "…", "‹F0000›", "$x_1$"]


@pytest.mark.filterwarnings("error")
def test_other_scripts_and_long_sentences_are_drawn_without_a_warning(tmp_path: Path) -> None:
    tokens = ["Ελληνικά", "приём", "שלום", "你好", "🎉", "$"] * 5
    draw_alignment(torch.rand(30, 30), tokens, tokens, tmp_path / "long.png")
    assert (tmp_path / "long.png").stat().st_size > 10_000


def test_every_token_has_a_cell_of_the_same_size() -> None:
    short, long = (plot_alignment(torch.rand(n, n), ["a"] * n, ["b"] * n) for n in (10, 60))
    grown = long.get_size_inches() - short.get_size_inches()
    assert grown.tolist() == pytest.approx([0.27 * 50, 0.27 * 50])


def test_no_token_is_cut_off() -> None:
    tokens = ["Straßenbahnhaltestelle"] * 3
    figure = plot_alignment(torch.rand(3, 3), tokens, tokens, title="a title that is long " * 4)
    renderer, (width, height) = figure.canvas.get_renderer(), figure.get_size_inches()
    ticks = [*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels()]
    for text in [*ticks, figure.axes[0]._left_title]:
        box = text.get_window_extent(renderer)
        assert min(box.x0, box.y0) >= 0
        assert box.x1 <= width * figure.dpi
        assert box.y1 <= height * figure.dpi


@pytest.mark.parametrize("weights", [[[0.5, 0.5]], [], [[0.5] * 3] * 3])
def test_weights_that_do_not_fit_the_tokens_are_refused(weights: list) -> None:
    with pytest.raises(ShapeError, match=r"\(target tokens, source tokens\) = \(2, 3\)"):
        plot_alignment(weights, SOURCE, TARGET)


def test_the_data_are_the_tokens_and_the_weights() -> None:
    data = alignment_data(torch.tensor(WEIGHTS), SOURCE, TARGET)
    assert data["source"] == SOURCE
    assert data["target"] == TARGET
    assert data["weights"] == [pytest.approx(row) for row in WEIGHTS]
