"""What the forward pass leaves in memory for the backward pass, counted."""

from collections.abc import Iterator, Mapping

from ostinato.engine.program import Node
from ostinato.engine.stages import Stages


def kept_by(stages: Stages, products: Mapping[Node, str]) -> Iterator[tuple[str, int]]:
    """What a step of a sample keeps until the backward pass has gone over it: words, numbers.

    Args:
        stages: forward and backward.
        products: the products' names.
    """
    forward, buffers, later = stages.forward, stages.buffers, _read_later(stages)
    if "X" in later:
        yield "the step's input", buffers["X"].width
    yield "the state", sum(each.width for each in buffers.values() if each.kind == "states")
    inside = {node: own for node, own in forward.hoisted.items() if own in later}
    if inside:
        names = " and ".join(products[node] for node in inside)
        yield f"in the memory of {names}", sum(buffers[own].width for own in inside.values())
    written = {place.buffer for places in forward.stores.values() for place in places}
    saved = {
        name
        for name in written & later
        if buffers[name].kind == "steps" and name not in stages.hoisted
    }
    if saved:
        words = "saved beside it" if inside else "saved"
        yield words, sum(buffers[name].width for name in saved)


def _read_later(stages: Stages) -> set[str]:
    """The buffers that the backward loop and the products after it read."""
    assert stages.backward is not None
    found = {place.buffer for node in stages.backward.uses
             if (place := stages.backward.place_of(node)) is not None}  # fmt: skip
    for term in stages.outer_products:
        found |= {term.left.buffer, term.right.buffer}
    return found | {term.operand.buffer for term in stages.input_products}
