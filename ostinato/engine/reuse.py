"""Memory that serves twice: lines that are in the cache already cost less than fresh ones.

The result of a product taken out of the loop is read once, at its own step. Values saved for the
backward pass may take its place, and the gradients that the backward pass leaves behind may take
theirs. It is safe because the loop owns that buffer: nobody else ever sees it.
"""

from collections.abc import Mapping, Sequence

from ostinato.engine.program import Node
from ostinato.engine.stages import Level, Pass, Place, Stages


def reuse_memory(stages: Stages) -> Stages:
    """The same stages, with saved values and gradients in the place of hoisted products."""
    forward, backward = stages.forward, stages.backward
    assert backward is not None
    for buffer in stages.hoisted:
        if _is_operand(buffer, stages):
            continue
        _save_in_place(buffer, forward, backward)
        stages = _leave_gradient_in_place(buffer, stages)
    return stages


def _is_operand(buffer: str, stages: Stages) -> bool:
    """Whether some product reads its rows from this buffer."""
    assert stages.backward is not None
    places = [*stages.forward.operands.values(), *stages.backward.operands.values()]
    places += [term.right for term in stages.outer_products]
    places += [term.left for term in stages.outer_products]
    places += [term.operand for term in stages.input_products]
    return any(place.buffer == buffer for place in places)


def _save_in_place(buffer: str, forward: Pass, backward: Pass) -> None:
    """Save values where parts of the product lay that are no longer needed then."""
    free = {
        node.label: node
        for node in forward.uses
        if _lies_in(node, buffer, forward) and node not in backward.uses
    }
    for offset, part in sorted(free.items()):
        for node, places in forward.stores.items():
            saved = len(places) == 1 and places[0].buffer == f"V{node.number}"
            after = forward.level(node) >= max(forward.uses[part])
            if saved and after and node.width == part.width:
                forward.buffers.pop(places[0].buffer)
                place = Place(buffer, offset, "step")
                forward.stores[node] = [place]
                backward.memory[node] = place
                break


def _leave_gradient_in_place(buffer: str, stages: Stages) -> Stages:
    """Let a gradient of the same width take the place of what was saved, if it comes after it."""
    backward = stages.backward
    assert backward is not None
    width = stages.buffers[buffer].width
    stored = {place.buffer for places in backward.stores.values() for place in places}
    candidates = {term.operand.buffer for term in stages.input_products} & stored
    for name in sorted(candidates):
        if stages.buffers[name].width != width or not _fits(name, buffer, backward):
            continue
        moved = {name: buffer}
        backward.stores = {
            node: _moved_all(places, moved) for node, places in backward.stores.items()
        }
        backward.operands = {
            node: _moved(place, moved) for node, place in backward.operands.items()
        }
        stages.buffers.pop(name)
        return _with_moved_products(stages, moved)
    return stages


def _fits(name: str, buffer: str, backward: Pass) -> bool:
    """Whether each piece stored in `name` finds its place in `buffer` free when it is stored."""
    residents = [
        (place.offset, node.width, max(backward.uses[node]))
        for node in backward.uses
        if (place := backward.place_of(node)) is not None and place.buffer == buffer
    ]
    for node, places in backward.stores.items():
        for place in places:
            if place.buffer == name and not _is_free(
                place.offset, node.width, backward.level(node), residents
            ):
                return False
    return True


def _is_free(
    offset: int, width: int, level: Level, residents: Sequence[tuple[int, int, Level]]
) -> bool:
    overlapping = [
        resident
        for resident in residents
        if resident[0] < offset + width and offset < resident[0] + resident[1]
    ]
    # At the same level a value is loaded before its own columns are stored, and those only.
    return all(
        last <= level and (start, size) == (offset, width) for start, size, last in overlapping
    )


def _lies_in(node: Node, buffer: str, forward: Pass) -> bool:
    return node.operation == "part" and forward.hoisted.get(node.arguments[0]) == buffer


def _moved(place: Place, moved: Mapping[str, str]) -> Place:
    return place._replace(buffer=moved.get(place.buffer, place.buffer))


def _moved_all(places: Sequence[Place], moved: Mapping[str, str]) -> list[Place]:
    return [_moved(place, moved) for place in places]


def _with_moved_products(stages: Stages, moved: Mapping[str, str]) -> Stages:
    return stages._replace(
        outer_products=tuple(
            term._replace(left=_moved(term.left, moved), right=_moved(term.right, moved))
            for term in stages.outer_products
        ),
        input_products=tuple(
            term._replace(operand=_moved(term.operand, moved)) for term in stages.input_products
        ),
    )
