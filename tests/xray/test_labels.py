"""The picture of labels shows F1 by label, and the share of each true label given each label."""

from pathlib import Path

import pytest

from ostinato.xray.labels import LabelFigure, draw_labels, plot_labels

FIGURES = [LabelFigure("NP", 0.9, 120), LabelFigure("VP", 0.25, 4)]
CONFUSION = {("B-NP", "B-NP"): 9, ("B-NP", "O"): 1, ("O", "O"): 30, ("B-VP", "O"): 4}


def test_bars_and_cells_show_the_figures_given() -> None:
    figure = plot_labels(FIGURES, CONFUSION, title="chunks", measure="F1 of spans")
    bars, cells = figure.axes
    assert [patch.get_width() for patch in bars.patches] == [0.9, 0.25]
    assert [text.get_text() for text in bars.texts] == ["90.0%  (120)", "25.0%  (4)"]
    names = [tick.get_text() for tick in cells.get_yticklabels()]
    assert names == ["B-NP", "O", "B-VP"]
    assert cells.images[0].get_array().tolist() == [[0.9, 0.1, 0], [0, 1, 0], [0, 1, 0]]


def test_of_many_labels_the_most_frequent_thirty_are_drawn() -> None:
    many = [LabelFigure(f"L{number}", 0.5, 100 - number) for number in range(50)]
    confusion = {(row.name, row.name): row.count for row in many}
    bars, cells = plot_labels(many, confusion, title="", measure="F1").axes
    assert (len(bars.patches), len(cells.get_yticklabels())) == (30, 30)
    assert "L29" in [tick.get_text() for tick in cells.get_yticklabels()]
    assert "L30" not in [tick.get_text() for tick in cells.get_yticklabels()]


@pytest.mark.filterwarnings("error")
def test_a_picture_is_written_whole_whatever_the_labels(tmp_path: Path) -> None:
    picture = tmp_path / "new" / "labels.png"
    odd = {("PRP$", "x" * 40): 1, ("$", "$"): 2, ("_^", "名"): 1}
    draw_labels([LabelFigure("PRP$", 0.0, 1)], odd, picture, title="$ a $", measure="F1")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [each.name for each in picture.parent.iterdir()] == ["labels.png"]


def test_cells_of_several_labels_are_shares_of_what_truly_has_the_first() -> None:
    figures = [LabelFigure("sad", 0.8, 4), LabelFigure("fast", 0.0, 2)]
    confusion = {("sad", "sad"): 3, ("sad", "fast"): 1}
    _, cells = plot_labels(figures, confusion, title="", measure="F1", several=True).axes
    assert [tick.get_text() for tick in cells.get_yticklabels()] == ["fast", "sad"]
    assert cells.images[0].get_array().tolist() == [[0, 0], [0.25, 0.75]]


@pytest.mark.filterwarnings("error")
def test_labels_that_are_never_given_are_drawn_too(tmp_path: Path) -> None:
    for figures in ([LabelFigure("sad", 0.0, 4)], []):
        draw_labels(figures, {}, tmp_path / "a.png", title="", measure="F1", several=True)
    assert (tmp_path / "a.png").is_file()
