"""An explanation as lines of text."""

import textwrap
from collections.abc import Iterator, Sequence

from ostinato.engine.explain.explanation import Explanation, Line, Product, Segment

_WIDTH = 100
_NOTES_AT = 64  # the column where sizes and reasons begin
_LABEL = 11
_HOW_TO_READ = (
    "P1, P2, ... are products, x[0:128] is a slice of features, sum(x) goes over all of them, +=",
    "adds up over samples and steps. What is saved waits for the backward pass, where it can in",
    "memory that a product no longer needs. A segment begins with products that wait for the",
    "segment before it; a phase waits for sums.",
)


def in_words(explanation: Explanation) -> list[str]:
    """The explanation as lines of text, at most 100 characters wide."""
    before = [_product_text("", product) for product in explanation.before]
    return [
        f"{explanation.cell}: {explanation.sizes}",
        "",
        "Before the loop, for all samples and steps at once",
        *(before or ["  nothing"]),
        "",
        "Forward loop, from the first step to the last",
        *_segments_text(explanation.forward),
        "",
        "Backward loop, from the last step to the first; d_x is the gradient of the loss by x",
        *_segments_text(explanation.backward),
        "",
        "After the loop, for all samples and steps at once",
        *[_product_text("", product) for product in explanation.after],
        "",
        *_memory_text(explanation),
        "",
        *_HOW_TO_READ,
    ]


def _segments_text(segments: Sequence[Segment]) -> Iterator[str]:
    for number, segment in enumerate(segments, 1):
        if len(segments) > 1:
            yield f"  segment {number}"
        for product in segment.products:
            yield _product_text("product", product)
        for place, lines in enumerate(segment.phases, 1):
            label = f"phase {place}" if len(segment.phases) > 1 else "compute"
            for line in lines:
                yield from _line_text(label, line)
                label = ""


def _product_text(label: str, product: Product) -> str:
    start = f"  {label}".ljust(_LABEL) if label else "  "
    return f"{start + product.equation:{_NOTES_AT}}{product.size} x {product.columns}"


def _line_text(label: str, line: Line) -> Iterator[str]:
    text = f"  {label}".ljust(_LABEL) + line.equation
    *rest, last = _folded(text, _LABEL + 4)
    notes = "; ".join(map(str, line.notes))
    yield from rest
    if len(last) < _NOTES_AT or not notes:
        yield f"{last:{_NOTES_AT}}{notes}".rstrip()
    else:
        yield last
        yield " " * _NOTES_AT + notes


def _memory_text(explanation: Explanation) -> list[str]:
    kept = sum(each.numbers for each in explanation.kept)
    parts = ", ".join(f"{each.what} {each.numbers:,}" for each in explanation.kept)
    text = f"A step of a sample leaves {kept:,} numbers for the backward pass: {parts}."
    return _folded(text, 0)


def _folded(text: str, indent: int) -> list[str]:
    """A long line on several; what follows the first is indented."""
    return textwrap.wrap(
        text,
        _WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
