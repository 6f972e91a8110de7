"""How time grows with the steps, the samples and the hidden size, and memory with the steps.

Small pictures on doubly logarithmic axes: forward and backward, ours beside torch.nn (for the
layer-normalised LSTM, beside a loop by hand), and below them the line of the multiply-adds alone at
the measured peak of the core. An engine whose cost grows as its work does runs along that line; one
with an overhead a step or a call leaves it where the work is small.

What was measured is kept in a file; a second run draws it and measures only what is missing.

    python benchmarks/curves.py [--output .benchmarks/curves.png] [--data .benchmarks/curves.json]
"""

import argparse
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from memory import SIDES, peak_megabytes
from peers.pairs import NAMES, pair
from peers.peak import multiply_adds, multiply_adds_a_second
from peers.records import RECORDS, commit, machine
from peers.turns import take_turns

BASE = {"T": 64, "n": 32, "h": 128}
AXES = {
    "T": (4, 16, 64, 256, 1024),
    "n": (1, 2, 4, 8, 16, 32, 64, 128),
    "h": (16, 32, 64, 128, 256, 512),
}
TITLES = {"T": "steps T", "n": "samples n", "h": "hidden size h"}
MEMORY_STEPS, MEMORY_SIZE, MEMORY_RANGE = (64, 256, 1024), 256, (10, 2000)
OURS, THEIRS, LIMIT, INK = "#0b6e99", "#d9822b", "#9aa0a6", "#3c4043"


class Point(NamedTuple):
    """Seconds of both and of the limit, or, along "memory", megabytes of both."""

    ours: float
    peer: float
    limit: float | None


Points = dict[str, Point]  # by "cell|axis|value"


def measure(name: str, axis: str, value: int, *, seconds: float, busy: bool) -> Point:
    if axis == "memory":
        ours, peer = (peak_megabytes(name, side, MEMORY_SIZE, 32, value) for side in SIDES)
        return Point(ours, peer, None)
    shape = BASE | {axis: value}
    both = pair(name, shape["h"], shape["n"], shape["T"])
    turns = take_turns(both.ours, both.peer, seconds, processor=busy)
    count = multiply_adds(both.layer, shape["n"] * shape["T"], trained=True)
    return Point(turns.ours, turns.peer, count / multiply_adds_a_second())


def wanted(largest: int) -> Iterator[tuple[str, str, int]]:
    axes = AXES | ({"memory": MEMORY_STEPS} if Path("/proc/self/clear_refs").exists() else {})
    for axis, values in axes.items():
        for value in values:
            if value <= largest:
                yield from ((name, axis, value) for name in NAMES)


def measured(path: Path, *, seconds: float, busy: bool, largest: int) -> Points:
    """All points, those in the file as they are there; the file is written after each."""
    text = path.read_text() if path.exists() else "{}"
    points = {key: Point(*point) for key, point in json.loads(text).items()}
    for name, axis, value in wanted(largest):
        key = f"{name}|{axis}|{value}"
        if key in points:
            continue
        points[key] = measure(name, axis, value, seconds=seconds, busy=busy)
        print(f"{name:18} {axis:6} {value:5}  ours {points[key].ours:.3g}", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(points))
    return points


def draw(points: Points, output: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.edgecolor": LIMIT})
    plt.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor"), INK))
    figure, grid = plt.subplots(4, 3, figsize=(9, 10.4), layout="constrained")
    for row, name in zip(grid, NAMES, strict=False):
        for panel, axis in zip(row, AXES, strict=True):
            draw_panel(panel, points, name, axis)
            others = ", ".join(f"{key} {BASE[key]}" for key in BASE if key != axis)
            panel.set_title(f"{name}  ({others})", fontsize=9, loc="left", color=INK)
            panel.set_xlabel(TITLES[axis])
        row[0].set_ylabel("ms, forward and backward")
    for panel, name in zip(grid[3], NAMES, strict=True):
        draw_panel(panel, points, name, "memory")
        title = f"{name}  (n 32, h {MEMORY_SIZE})"
        panel.set_title(title, fontsize=9, loc="left", color=INK)
        panel.set_xlabel(TITLES["T"])
        panel.set_ylim(*MEMORY_RANGE)
    grid[3][0].set_ylabel("MB at the peak")
    add_legend(figure, grid[0][0])
    save_small(figure, output)


def save_small(figure: Any, output: Path) -> None:
    """A PNG of 64 colours, which is what so few lines need."""
    from PIL import Image

    output.parent.mkdir(parents=True, exist_ok=True)
    whole = BytesIO()
    figure.savefig(whole, format="png", dpi=110)
    Image.open(whole).convert("RGB").quantize(64).save(output, format="PNG", optimize=True)


def draw_panel(panel: Any, points: Points, name: str, axis: str) -> None:
    prefix = f"{name}|{axis}|"
    found = {
        int(key[len(prefix) :]): each for key, each in points.items() if key.startswith(prefix)
    }
    values, scale = sorted(found), 1.0 if axis == "memory" else 1e3
    if not values:
        panel.set_axis_off()
        return
    curves = {
        "peer": [found[value].peer * scale for value in values],
        "ours": [found[value].ours * scale for value in values],
    }
    if axis == "memory":
        # The work's own slope, through our last point.
        last = curves["ours"][-1] / values[-1]
        limit = [last * value for value in values]
    else:
        limit = [(found[value].limit or 0.0) * scale for value in values]
    panel.loglog(values, limit, color=LIMIT, linestyle=(0, (4, 2)), linewidth=1.2)
    for side, colour, mark in (("peer", THEIRS, "s"), ("ours", OURS, "o")):
        panel.loglog(values, curves[side], color=colour, marker=mark, markersize=3.5, linewidth=1.6)
    tidy(panel, values)


def tidy(panel: Any, values: list[int]) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    panel.set_xticks(values, [str(value) for value in values])
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(which="minor", length=0)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:g}"))
    panel.grid(which="major", color="#e8eaed", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=INK, length=3)


def add_legend(figure: Any, panel: Any) -> None:
    limit, peer, ours = panel.lines[:3]
    figure.legend(
        [ours, peer, limit],
        [
            "Ostinato",
            "torch.nn (layer norm: a loop in torch)",
            "multiply-adds alone at the core's peak (memory: in proportion to T)",
        ],
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = RECORDS.parent
    parser.add_argument("--output", type=Path, default=folder / "curves.png")
    parser.add_argument("--data", type=Path, default=folder / "curves.json")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each point")
    parser.add_argument("--busy", action="store_true", help="count the processor's time")
    parser.add_argument("--largest", type=int, default=1024, help="of T, n and h")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    points = measured(
        options.data, seconds=options.seconds, busy=options.busy, largest=options.largest
    )
    draw(points, options.output)
    print(f"{options.output}: one thread, {machine()}, {commit()}")


if __name__ == "__main__":
    main()
