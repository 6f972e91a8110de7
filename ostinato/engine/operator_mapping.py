"""How the operators of the compiled loop are mapped over by `torch.vmap`.

Mapping over samples makes one larger batch. Over weights, or for the gradient of the weights for
each sample, it is a loop over calls.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ostinato.engine.kinds import Kind, kind_by_key
from ostinato.engine.loop import split_given
from ostinato.engine.operator_kernels import (
    BACKWARD,
    FORWARD,
    LIBRARY,
    OptionalTensors,
    saved_parts,
)


def register() -> None:
    """Tell torch how the operators are mapped."""
    torch.library.register_vmap(FORWARD, _forward_mapped, lib=LIBRARY)
    torch.library.register_vmap(BACKWARD, _backward_mapped, lib=LIBRARY)


def _forward_mapped(
    info: Any,
    dims: Any,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    key: str,
    reverse: bool,
    save: bool,
) -> tuple[list[Tensor], list[int]]:
    kind = kind_by_key(key)
    if _must_loop(kind, dims[0], dims[1]):
        return _looped(info, dims, lambda given, marks: FORWARD(given, marks, key, reverse, save))(
            given, marks
        )
    size = info.batch_size
    folded = _folded_given(kind, size, given, dims[0])
    found = FORWARD(folded, _folded_marks(kind, size, marks, dims[1]), key, reverse, False)
    results = [_unfolded(size, result) for result in found]
    if save:
        # The memory of the larger batch cannot be told apart: the backward pass fills its own.
        results += [given[0].new_empty(size, 0) for _ in saved_parts(kind)]
    return results, [0] * len(results)


def _backward_mapped(
    info: Any,
    dims: Any,
    gradients: OptionalTensors,
    given: Sequence[Tensor],
    marks: OptionalTensors,
    saved: Sequence[Tensor],
    key: str,
    reverse: bool,
    weights: bool,
) -> tuple[list[Tensor], list[int | None]]:
    kind = kind_by_key(key)
    if weights or _must_loop(kind, dims[1], dims[2]):
        return _looped(info, dims, lambda *each: BACKWARD(*each, key, reverse, weights))(
            gradients, given, marks, saved
        )
    size = info.batch_size
    found = BACKWARD(
        [_folded(size, *each) for each in zip(gradients, dims[0], strict=True)],
        _folded_given(kind, size, given, dims[1]),
        _folded_marks(kind, size, marks, dims[2]),
        [given[0].new_empty(0) for _ in saved_parts(kind)],
        key,
        reverse,
        False,
    )
    nothing = [value.shape == (0,) for value in found]
    whole = zip(found, nothing, strict=True)
    results = [value if empty else _unfolded(size, value) for value, empty in whole]
    return results, [None if empty else 0 for empty in nothing]


def _must_loop(kind: Kind, given: Sequence[int | None], marks: Sequence[int | None]) -> bool:
    """Whether something is mapped that all samples of a batch must share."""
    shared = [*split_given(kind, given)[3], *(marks[3:] if kind.form.kept == "always" else [])]
    return any(dim is not None for dim in shared)


def _folded_given(
    kind: Kind, size: int, given: Sequence[Tensor], dims: Sequence[int | None]
) -> list[Tensor]:
    parameters = split_given(kind, given)[3]
    own = zip(given, dims, strict=True)
    folded = [_folded(size, *each) for each in own][: len(given) - len(parameters)]
    return [*folded, *parameters]  # pyright: ignore[reportReturnType]


def _folded_marks(
    kind: Kind, size: int, marks: OptionalTensors, dims: Sequence[int | None]
) -> list[Tensor | None]:
    folded = [_folded(size, *each) for each in zip(marks, dims, strict=True)]
    return [*folded[:3], *marks[3:]] if kind.form.kept == "always" else folded


def _folded(size: int, value: Tensor | None, dim: int | None) -> Tensor | None:
    """The mapped axis, or as many copies, as a part of the batch axis."""
    if value is None:
        return None
    if dim is None:
        return value.unsqueeze(0).expand(size, *value.shape).flatten(0, 1)
    return value.movedim(dim, 0).flatten(0, 1)


def _unfolded(size: int, value: Tensor) -> Tensor:
    return value.unflatten(0, (size, value.shape[0] // size))


def _looped(info: Any, dims: Any, operator: Callable[..., list[Tensor]]) -> Callable[..., Any]:
    """One call for each entry of the mapped axis."""

    def run(*lists: OptionalTensors) -> tuple[list[Tensor], list[int]]:
        found = []
        for entry in range(info.batch_size):
            chosen = [
                [
                    value if value is None or dim is None else value.select(dim, entry)
                    for value, dim in zip(values, places, strict=True)
                ]
                for values, places in zip(lists, dims, strict=False)
            ]
            found.append(operator(*chosen))
        stacked = [torch.stack(values) for values in zip(*found, strict=True)]
        return stacked, [0] * len(stacked)

    return run
