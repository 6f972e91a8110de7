"""What a person sees while a run trains."""

import io
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from ostinato.cli.figures import describe_figures, duration, size
from ostinato.cli.progress import LiveView, PlainView, watch_run
from ostinato.training.observer import Observer

_RECORD = {
    "nats_per_unit": math.log(4),
    "updates_per_s": 12.5,
    "units_per_s": 51200.0,
    "learning_rate": 1e-3,
}
_VALIDATION = {
    "update": 10,
    "validation": {"nats_per_unit": math.log(8), "bits_per_character": 3.0},
}


def _tell(view: Observer) -> None:
    view.preparing(500_000, 1_000_000, "reading")
    view.run_started(Path("runs/mine"))
    view.training_started(20, 0)
    view.updated(10, {**_RECORD, "update": 10})
    view.validated(_VALIDATION)
    view.noted("other threads")
    view.finished(_VALIDATION)


def test_plain_view_prints_a_line_for_each_event() -> None:
    stream = io.StringIO()
    _tell(PlainView(stream, "character", every_s=0.0))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "reading: 500.0 kB of 1.0 MB"
    assert lines[1] == "run: runs/mine"
    assert lines[2] == "training: 20 updates"
    assert lines[3].startswith(
        "update 10 of 20: 12.5 updates/s, 51,200 characters/s, training 2.000 bits per character"
    )
    assert "time left" in lines[3]
    assert lines[4] == "update 10: validation 3.000 bits per character"
    assert lines[5] == "note: other threads"


def test_plain_view_waits_between_lines() -> None:
    stream = io.StringIO()
    view = PlainView(stream, "character", every_s=60.0)
    view.training_started(1000, 0)
    view.updated(10, {**_RECORD, "update": 10})
    view.updated(20, {**_RECORD, "update": 20})
    assert stream.getvalue() == "training: 1,000 updates\n"


def test_plain_view_names_what_was_done_before() -> None:
    stream = io.StringIO()
    PlainView(stream, "token").training_started(100, 40)
    assert stream.getvalue() == "training: 60 updates after 40 done before\n"


def test_plain_view_tells_how_far_an_evaluation_is() -> None:
    stream = io.StringIO()
    view = PlainView(stream, "character", every_s=0.0)
    view.evaluated(0, 2000)
    view.evaluated(1500, 2000)
    assert stream.getvalue() == "evaluating: 1,500 of 2,000 tokens\n"


def test_plain_view_says_nothing_of_a_short_evaluation() -> None:
    stream = io.StringIO()
    view = PlainView(stream, "character", every_s=60.0)
    view.evaluated(0, 2000)
    view.evaluated(2000, 2000)
    assert stream.getvalue() == ""


@pytest.fixture
def screen() -> Iterator[tuple[io.StringIO, Progress]]:
    """What a terminal was sent, and the bars on it."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=200)
    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=console, auto_refresh=False) as bars:
        yield stream, bars


def test_live_view_shows_the_figures(screen: tuple[io.StringIO, Progress]) -> None:
    stream, bars = screen
    _tell(LiveView(bars, "character"))
    bars.refresh()
    shown = stream.getvalue()
    assert "run: runs/mine" in shown
    assert "training 2.000 bits per character, validation 3.000 bits per character" in shown
    assert "note: other threads" in shown


def test_live_view_shows_how_far_an_evaluation_is(screen: tuple[io.StringIO, Progress]) -> None:
    stream, bars = screen
    LiveView(bars, "character").evaluated(1500, 2000)
    bars.refresh()
    assert "1,500 of 2,000 tokens" in stream.getvalue()


def test_other_processes_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with watch_run("character") as observer:
        assert type(observer) is Observer


def test_figures_in_words() -> None:
    figures = {"nats_per_token": 1.0, "bits_per_character": 1.5, "tokens": 3, "perplexity": 2.7}
    assert describe_figures(figures) == (
        "1.500 bits per character, 1.000 nats per token, perplexity 2.70"
    )


def test_equal_figures_are_told_once() -> None:
    assert describe_figures({"bits_per_character": 2.0, "bits_per_token": 2.0}) == (
        "2.000 bits per character"
    )


def test_figures_too_long_to_read_are_shortened() -> None:
    assert describe_figures({"nats_per_token": 1.958e31, "perplexity": math.inf}) == (
        "1.96e+31 nats per token, perplexity inf"
    )


def test_unknown_tokens_are_told() -> None:
    assert describe_figures({"perplexity": 2.7, "unknown_share": 0.1234}) == (
        "perplexity 2.70, 12.34% of the tokens unknown"
    )


@pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (83, "1:23"), (3723, "1:02:03")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(7, "7 B"), (1500, "1.5 kB"), (2e9, "2.0 GB")])
def test_sizes_in_words(count: float, words: str) -> None:
    assert size(count) == words


def test_long_tours_are_told_in_whole_numbers() -> None:
    assert describe_figures({"length": 10628.0}) == "mean length 10,628"
    assert describe_figures({"length": 3.04812}) == "mean length 3.048"
