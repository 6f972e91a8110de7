"""Memory that serves twice: lines that are in the cache already cost less than fresh ones.

The result of a product taken out of the loop is read once, at its own step. Values saved for the
backward pass may take its place, and the gradients that the backward pass leaves behind may take
the place of what was saved, there or elsewhere. It is safe because the loop owns these buffers:
nobody else ever sees them.
"""

from collections.abc import Mapping, Sequence

from ostinato.engine.passes import Level, Pass, Place
from ostinato.engine.program import Node
from ostinato.engine.stages import Stages


def reuse_memory(stages: Stages) -> Stages:
    """The same stages, with saved values and gradients in the place of hoisted products."""
    for buffer in stages.hoisted:
        if _is_operand(buffer, stages):
            continue
        _save_in_place(buffer, stages)
        stages = _leave_gradient_in_place(buffer, stages)
    _save_parts_together(stages)
    for buffer in _saved(stages):
        stages = _leave_gradient_in_place(buffer, stages)
    return stages


def _saved(stages: Stages) -> list[str]:
    """Buffers that hold nothing but what was saved for the backward pass."""
    places = {place for places in stages.forward.stores.values() for place in places[:1]}
    names = {place.buffer for place in places if place.buffer.startswith("V")}
    return sorted(name for name in names if not _is_operand(name, stages))


def _save_parts_together(stages: Stages) -> None:
    """Save the parts of a product side by side, where all are saved: a gradient may fit then."""
    forward, backward = stages.forward, stages.backward
    assert backward is not None
    by_product: dict[Node, list[Node]] = {}
    for node, places in forward.stores.items():
        if node.operation == "part" and [place.buffer for place in places] == [f"V{node.number}"]:
            by_product.setdefault(node.arguments[0], []).append(node)
    for product, parts in by_product.items():
        width = product.label.shape[1]
        if len(parts) == 1 or sum(part.width for part in parts) != width:
            continue
        name = forward.buffer(f"V{product.number}", "steps", width)
        for part in parts:
            forward.buffers.pop(f"V{part.number}")
            forward.stores[part] = [Place(name, part.label, "step")]
            backward.memory[part] = forward.stores[part][0]


def _is_operand(buffer: str, stages: Stages) -> bool:
    """Whether some product reads its rows from this buffer."""
    assert stages.backward is not None
    places = [*stages.forward.operands.values(), *stages.backward.operands.values()]
    places += [term.right for term in stages.outer_products]
    places += [term.left for term in stages.outer_products]
    places += [term.operand for term in stages.input_products]
    return any(place.buffer == buffer for place in places)


def _save_in_place(buffer: str, stages: Stages) -> None:
    """Save values where parts of the product lay that are no longer needed then.

    A gradient may follow where the value is no longer needed when it comes: so what the backward
    pass is done with first goes where the first gradients come.
    """
    forward, backward = stages.forward, stages.backward
    assert backward is not None
    width = stages.buffers[buffer].width
    comes = {
        place.offset: backward.level(node)
        for name in _candidates(width, stages)
        for node, places in backward.stores.items()
        for place in places
        if place.buffer == name
    }
    free = {
        node.label: node
        for node in forward.uses
        if _lies_in(node, buffer, forward) and node not in backward.uses
    }
    done_first = sorted(forward.stores, key=lambda node: _last_use(node, backward))
    for offset in sorted(free, key=lambda offset: (comes.get(offset, (0, 0)), offset)):
        part = free[offset]
        for node in done_first:
            places = forward.stores[node]
            saved = len(places) == 1 and places[0].buffer == f"V{node.number}"
            after = forward.level(node) >= max(forward.uses[part])
            if saved and after and node.width == part.width:
                forward.buffers.pop(places[0].buffer)
                place = Place(buffer, offset, "step")
                forward.stores[node] = [place]
                backward.memory[node] = place
                break


def _last_use(node: Node, backward: Pass) -> Level:
    return max(backward.uses.get(node, {(0, 0)}))


def _leave_gradient_in_place(buffer: str, stages: Stages) -> Stages:
    """Let a gradient of the same width take the place of what was saved, if it comes after it."""
    backward = stages.backward
    assert backward is not None
    for name in _candidates(stages.buffers[buffer].width, stages):
        if not _fits(name, buffer, backward):
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


def _candidates(width: int, stages: Stages) -> list[str]:
    """Buffers of this width that the backward pass fills for the products after the loop."""
    assert stages.backward is not None
    stored = {place.buffer for places in stages.backward.stores.values() for place in places}
    read = [term.operand.buffer for term in stages.input_products]
    read += [place.buffer for term in stages.outer_products for place in (term.left, term.right)]
    wanted = (stored & set(read)) - stages.hoisted.keys() - {stages.input_gradient}
    # Not what has already found a place.
    wanted = {name for name in wanted if not name.startswith("V")}
    return sorted(
        (name for name in wanted if stages.buffers[name].width == width),
        key=lambda name: (name not in read[: len(stages.input_products)], name),
    )


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
        watched=tuple(_moved_all(stages.watched, moved)),
    )
