"""How a translator's speed depends on the length of its sentences, beside plain torch.

Synthetic sentences of one length, source and target alike: tokens a second of training (forward and
backward, as many tokens at every length), and seconds a sentence of greedy and beam decoding, where
no sentence may end before that length. Of recurrent networks a token costs the same at any length
but for attention, whose share grows with the source; a Transformer's own attention grows too.

The peers (`peers/translators.py`) are written simply, with weights of their own: the recurrent ones
carry a state, `nn.Transformer` reads all that it wrote again for each token.

What was measured is kept in a file; a second run draws it and measures only what is missing.

    python benchmarks/sentence_lengths.py [--busy] [--seconds 2] [--output PNG] [--data JSON]
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from curves import INK, save_small, tidy
from peers.records import RECORDS, commit, machine
from peers.translators import TorchAttention, TorchPlain, TorchTransformer, TorchTranslator
from peers.turns import rounds_of
from torch import Tensor

from ostinato.decoding import Beam, beam_search
from ostinato.state import select
from ostinato.tasks.translation.model import build
from ostinato.tasks.translation.settings import TranslationSettings

MODELS = ("attention", "plain", "transformer")
LENGTHS = (10, 20, 40, 80, 160, 320)
WORKS = {"training": "tokens a second", "greedy": "s a sentence", "beam of 5": "s a sentence"}
VOCABULARY, EMBEDDING, SIZE, HEADS, LAYERS = 2000, 128, 256, 4, 2
TRAINED_TOKENS, SENTENCES = 1280, 4
COLOURS = {"attention": "#0b6e99", "plain": "#5b8c5a", "transformer": "#d9822b"}

Points = dict[str, tuple[float, float]]  # seconds of ours and of the peer, by "model|work|length"


def our_model(name: str) -> Any:
    sizes: dict[str, Any] = {"embedding_size": EMBEDDING, "hidden_size": SIZE}
    if name == "transformer":
        sizes = {"hidden_size": SIZE, "heads": HEADS, "layers": LAYERS}
    settings = TranslationSettings(source=Path("s"), target=Path("t"), model=name, **sizes)  # pyright: ignore[reportArgumentType]
    return build(settings, VOCABULARY, VOCABULARY)


def peer_model(name: str) -> TorchTranslator:
    if name == "transformer":
        return TorchTransformer(VOCABULARY, SIZE, HEADS, LAYERS)
    kind = TorchAttention if name == "attention" else TorchPlain
    return kind(VOCABULARY, EMBEDDING, SIZE)


def sentences(count: int, length: int) -> Tensor:
    """Tokens (count, length), none of them the boundary, 0."""
    return torch.randint(1, VOCABULARY, (count, length))


def trainings(model: Any, peer: TorchTranslator, length: int) -> list[Callable[[], Any]]:
    count = TRAINED_TOKENS // length
    source, lengths = sentences(count, length), torch.full((count,), length)
    target = torch.cat([torch.zeros(count, 1, dtype=torch.long), sentences(count, length)], 1)

    def ours() -> None:
        model.train().zero_grad()
        model.loss(source, lengths, target[:, :-1], target[:, 1:], lengths).mean().backward()

    def theirs() -> None:
        peer.train().zero_grad()
        peer.loss(source, target).backward()

    return [ours, theirs]


def writings(
    model: Any, peer: TorchTranslator, length: int, beam_size: int
) -> list[Callable[[], Any]]:
    source, lengths = sentences(SENTENCES, length), torch.full((SENTENCES,), length)

    def ours() -> None:
        memory = model.eval().encode(source, lengths)

        def next_step_for(rows: Tensor) -> Any:
            kept = select(memory, rows.unique_consecutive())
            return lambda tokens, state: model.next_step(tokens, state, kept)

        beam_search(
            next_step_for,
            model.initial_state(memory),
            torch.zeros_like(lengths),
            Beam(beam_size, minimum_length=length),
            maximum_length=length,
            end_index=0,
        )

    return [
        torch.no_grad()(ours),
        lambda: peer.eval().write(source, length, beam_size),
    ]


def works_of(name: str, work: str, length: int) -> list[Callable[[], Any]]:
    torch.manual_seed(0)
    model, peer = our_model(name), peer_model(name)
    if work == "training":
        return trainings(model, peer, length)
    return writings(model, peer, length, 1 if work == "greedy" else 5)


def measured(path: Path, lengths: list[int], *, seconds: float, busy: bool) -> Points:
    """All points, those in the file as they are there; the file is written after each."""
    text = path.read_text() if path.exists() else "{}"
    points: Points = {key: tuple(pair) for key, pair in json.loads(text).items()}
    for length in lengths:
        for name in MODELS:
            for work in WORKS:
                key = f"{name}|{work}|{length}"
                if key in points:
                    continue
                works = works_of(name, work, length)
                rounds = rounds_of(works, seconds, fewest=2, processor=busy)
                ours, theirs = (min(times) for times in zip(*rounds, strict=True))
                points[key] = ours, theirs
                print(f"{key:28} ours {ours:8.4f} s, peer {theirs:8.4f}", flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(points))
    return points


def amount(work: str, length: int, seconds: float) -> float:
    """Tokens a second of training, seconds a sentence of decoding."""
    if work == "training":
        return TRAINED_TOKENS // length * length / seconds
    return seconds / SENTENCES


def markdown(points: Points, lengths: list[int]) -> str:
    """A row a model and work, a column a length: ours, and in brackets peer / ours."""
    head = " | ".join(map(str, lengths))
    lines = [f"| model | | {head} |", f"|---|---|{'--:|' * len(lengths)}"]
    for work, unit in WORKS.items():
        for name in MODELS:
            cells = []
            for length in lengths:
                ours, theirs = points[f"{name}|{work}|{length}"]
                number = amount(work, length, ours)
                shown = f"{number:,.0f}" if work == "training" else f"{number:.3f}"
                cells.append(f"{shown} ({theirs / ours:.1f})")
            lines.append(f"| {name} | {work}, {unit} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(points: Points, lengths: list[int], output: Path) -> None:
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9})
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
    for panel, (work, unit) in zip(panels, WORKS.items(), strict=True):
        for name in MODELS:
            pairs = [points[f"{name}|{work}|{length}"] for length in lengths]
            for side, (style, mark) in enumerate((("-", "o"), ("--", "s"))):
                values = [
                    amount(work, length, pair[side])
                    for length, pair in zip(lengths, pairs, strict=True)
                ]
                label = name if side == 0 else f"{name}, plain torch"
                panel.loglog(
                    lengths, values, style, marker=mark, markersize=3.5, linewidth=1.5,
                    color=COLOURS[name], label=label,
                )  # fmt: skip
        panel.set_title(f"{work}: {unit}", fontsize=9, loc="left", color=INK)
        panel.set_xlabel("tokens of a sentence")
        tidy(panel, lengths)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6, frameon=False, fontsize=8)
    save_small(figure, output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = RECORDS.parent
    parser.add_argument("--output", type=Path, default=folder / "sentence_lengths.png")
    parser.add_argument("--data", type=Path, default=folder / "sentence_lengths.json")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each point")
    parser.add_argument("--busy", action="store_true", help="count the processor's time")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    points = measured(options.data, options.lengths, seconds=options.seconds, busy=options.busy)
    print(markdown(points, options.lengths))
    draw(points, options.lengths, options.output)
    print(f"{options.output}: one thread, {machine()}, {commit()}")


if __name__ == "__main__":
    main()
