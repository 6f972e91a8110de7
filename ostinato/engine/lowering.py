"""From torch's operations, as traced, to the program: one small function an operation."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch.fx import GraphModule
from torch.fx import Node as Traced
from torch.utils import _pytree as pytree

from ostinato.engine.program import TRUTHS, CannotCompileError, Cuts, Matrix, Program, Row

EXAMPLE_BATCH = 10_007  # the batch that is traced: a number that no weight has for its size


class Turned(NamedTuple):
    """A row (batch, width), transposed: on its way into a weight's gradient."""

    row: Row


class Outer(NamedTuple):
    """One term of a matrix's gradient: the sum over batch and time of left^T right.

    It belongs at `index`, `row`, `column` of the parameter; `transposed` in the end.
    """

    left: Row
    right: Row
    index: int | None
    row: int
    column: int
    transposed: bool


class MatrixGradient(NamedTuple):
    """The gradient of a matrix or a stack of them, of this shape: zero where no term lies."""

    terms: tuple[Outer, ...]
    shape: tuple[int, ...]


class VectorGradient(NamedTuple):
    """The gradient of a vector: the sum of a row over batch and time."""

    row: Row


def lower(
    graph: GraphModule, inputs: Sequence[Any], lowering: "type[Lowering] | None" = None
) -> tuple[Program, Any]:
    """The program of a traced graph, and what its outputs are in terms of it.

    Args:
        graph: what make_fx returned.
        inputs: for each placeholder a Matrix, ("vector", name, width), ("input", buffer, width) or
            a stack of matrices (name, shape) as ("stack", name, shape); ("whole", name, 0) is a
            buffer of whole numbers, which no operation takes.
        lowering: what operations become; None: what the compiler works with.

    Raises:
        CannotCompileError: naming the operation and the line of the step that it comes from.
    """
    cuts: Cuts = {}
    while True:
        attempt = (lowering or Lowering)(graph, cuts)
        outputs = attempt.run(inputs)
        found = attempt.program.new_cuts
        if all(places <= cuts.get(name, set()) for name, places in found.items()):
            return attempt.program, outputs
        cuts = {name: cuts.get(name, set()) | found.get(name, set()) for name in {*cuts, *found}}


class Lowering:
    """One pass over a graph; `makes` is the kind of program that it writes."""

    makes: type[Program] = Program

    def __init__(self, graph: GraphModule, cuts: Cuts) -> None:
        self.graph = graph
        self.program = self.makes(cuts)
        self.shape: tuple[int, ...] = ()
        self.shape_before: tuple[int, ...] = ()

    def run(self, inputs: Sequence[Any]) -> Any:
        values: dict[Traced, Any] = {}
        given = iter(inputs)
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                values[node] = self._given(next(given))
                continue
            arguments, options = pytree.tree_map_only(
                Traced, values.__getitem__, (node.args, dict(node.kwargs))
            )
            if node.op == "output":
                return arguments[0]
            values[node] = self._apply(node, arguments, options)
            if _name_of(node).endswith("_"):
                # make_fx leaves some in-place operations as they are.
                values[node.args[0]] = values[node]
        raise AssertionError("a graph without an output")

    def _given(self, given: Any) -> Any:
        if isinstance(given, Matrix):
            return given
        kind, name, size = given
        if kind == "stack":
            return _Stack(name, size)
        if kind == "whole":
            return _Whole(name)
        return (self.program.vector if kind == "vector" else self.program.buffer)(name, size)

    def _apply(self, node: Traced, arguments: Any, options: dict[str, Any]) -> Any:
        name = _name_of(node)
        if name == "getitem":
            return arguments[0][arguments[1]]
        self.shape, self.shape_before = _shape_of(node), _shape_of(next(iter(node.args), None))
        try:
            if name.endswith("_"):
                _refuse_other_names(node)
            plain = name.rstrip("_")
            if plain in _MAPS:
                if options:
                    raise CannotCompileError(f"torch's {name} with {', '.join(options)}")
                return self._map(_MAPS[plain], *arguments)
            if name in _KEPT:
                return self._kept(node, arguments[0])
            function = getattr(self, f"_{plain}", None)
            if function is None:
                raise CannotCompileError(f"torch's {name} is not known to the compiler")
            return function(*arguments, **options)
        except (CannotCompileError, TypeError, KeyError, AttributeError, IndexError) as problem:
            raise CannotCompileError(f"{_said(name, problem)}{line_of(node)}") from problem

    # ---- element by element

    def _map(self, operation: str, *values: Any) -> Row:
        rows = []
        for value in values:
            if isinstance(value, int | float):
                if value == EXAMPLE_BATCH:
                    raise CannotCompileError("a number that depends on the size of the batch")
                value = self.program.constant(value)
            if not isinstance(value, Row):
                raise CannotCompileError(f"{operation} of {_words(value)}")
            rows.append(value)
        if operation in ("and", "or", "not"):
            return self.program.map(operation, *rows)
        first = 1 if operation == "where" else 0
        return self.program.map(operation, *rows[:first], *map(self._number, rows[first:]))

    def _number(self, row: Row) -> Row:
        """A truth as 1 or 0."""
        if not any(piece.label in TRUTHS for piece in row.pieces if piece.operation == "map"):
            return row
        one, zero = self.program.constant(1.0), self.program.constant(0.0)
        return self.program.map("where", row, one, zero)

    def _kept(self, node: Traced, value: Any) -> Any:
        """The same numbers: of the same kind, and in rows as they were."""
        source = node.args[0]
        assert isinstance(source, Traced)
        before, after = source.meta.get("val"), node.meta.get("val")
        if not isinstance(before, torch.Tensor) or not isinstance(after, torch.Tensor):
            return value
        if before.dtype != after.dtype:
            if before.dtype == torch.bool and after.is_floating_point():
                return self._number(value)
            raise CannotCompileError(f"numbers of another kind ({after.dtype})")
        sizes = [[size for size in tensor.shape if size != 1] for tensor in (before, after)]
        if isinstance(value, Row) and sizes[0] != sizes[1]:
            raise CannotCompileError("features in another arrangement")
        return value

    def _add(self, a: Any, b: Any, alpha: float = 1) -> Any:
        if isinstance(a, MatrixGradient) and isinstance(b, MatrixGradient):
            return MatrixGradient(a.terms + b.terms, a.shape)
        if isinstance(a, VectorGradient) and isinstance(b, VectorGradient):
            return VectorGradient(self._map("add", a.row, b.row))
        return self._map("add", a, self._scaled(b, alpha))

    def _sub(self, a: Any, b: Any, alpha: float = 1) -> Row:
        return self._map("subtract", a, self._scaled(b, alpha))

    def _rsub(self, a: Any, b: Any, alpha: float = 1) -> Row:
        return self._map("subtract", b, self._scaled(a, alpha))

    def _scaled(self, value: Any, alpha: float) -> Any:
        return value if alpha == 1 else self._map("multiply", value, alpha)

    def _relu(self, a: Row) -> Row:
        return self._map("maximum", a, 0.0)

    def _square(self, a: Row) -> Row:
        return self._map("multiply", a, a)

    def _pow(self, a: Any, exponent: float) -> Row:
        if exponent < 0:
            return self._map("reciprocal", self._pow(a, -exponent))
        if 2 * exponent != int(2 * exponent) or not 0.5 <= exponent <= 8:
            raise CannotCompileError(f"a power of {exponent}")
        factors = [a] * int(exponent)
        if exponent != int(exponent):
            factors.append(self._map("sqrt", a))
        result, *rest = factors
        for factor in rest:
            result = self._map("multiply", result, factor)
        return result

    def _clamp(self, a: Row, low: float | None = None, high: float | None = None) -> Row:
        raised = a if low is None else self._map("maximum", a, low)
        return raised if high is None else self._map("minimum", raised, high)

    def _clamp_min(self, a: Row, low: float) -> Row:
        return self._map("maximum", a, low)

    def _clamp_max(self, a: Row, high: float) -> Row:
        return self._map("minimum", a, high)

    def _where(self, condition: Row, a: Any, b: Any) -> Row:
        return self._map("where", condition, a, b)

    def _masked_fill(self, a: Row, mask: Row, value: Any) -> Row:
        return self._map("where", mask, value, a)

    def _logical_not(self, a: Row) -> Row:
        return self._map("not", a)

    def _bitwise_xor(self, a: Row, b: Row) -> Row:
        return self._map("not_equal", a, b)

    _bitwise_not, _logical_xor = _logical_not, _bitwise_xor

    def _log_sigmoid_forward(self, a: Row) -> tuple[Row, Row]:
        small = self._map("exp", self._map("negate", self._map("absolute", a)))
        log = self._map("log1p", small)
        return self._map("subtract", self._map("minimum", a, 0.0), log), small

    # ---- their derivatives

    def _sigmoid_backward(self, gradient: Row, y: Row) -> Row:
        slope = self._map("multiply", self._map("subtract", 1.0, y), y)
        return self._map("multiply", gradient, slope)

    def _tanh_backward(self, gradient: Row, y: Row) -> Row:
        slope = self._map("subtract", 1.0, self._map("multiply", y, y))
        return self._map("multiply", gradient, slope)

    def _threshold_backward(self, gradient: Row, y: Row, threshold: float) -> Row:
        return self._map("where", self._map("greater", y, float(threshold)), gradient, 0.0)

    def _softshrink_backward(self, gradient: Row, y: Row, threshold: float) -> Row:
        outside = self._map("greater", self._map("absolute", y), float(threshold))
        return self._map("where", outside, gradient, 0.0)

    def _log_sigmoid_backward(self, gradient: Row, a: Row, small: Row) -> Row:
        return self._map("multiply", gradient, self._map("sigmoid", self._map("negate", a)))

    # ---- products, and the gradients of matrices and vectors

    def _mm(self, a: Any, b: Any) -> Any:
        if isinstance(a, Row) and isinstance(b, Matrix):
            return self.program.product(a, b)
        if isinstance(a, Turned) and isinstance(b, Row):
            return MatrixGradient((Outer(a.row, b, None, 0, 0, False),), self.shape)
        raise CannotCompileError(f"a product of {_words(a)} and {_words(b)}")

    def _addmm(self, bias: Row, a: Row, b: Matrix) -> Row:
        return self._map("add", self.program.product(a, b), bias)

    def _t(self, a: Any, *_: int) -> Any:
        if isinstance(a, Row):
            return Turned(a)
        if isinstance(a, Turned):
            return a.row
        if isinstance(a, MatrixGradient):
            return MatrixGradient(tuple(_flipped(term) for term in a.terms), self.shape)
        if isinstance(a, Matrix):
            return a._replace(transposed=not a.transposed)
        raise CannotCompileError(f"a transpose of {_words(a)}")

    _transpose = _permute = _t

    def _select(self, a: Any, axis: int, index: int) -> Any:
        if isinstance(a, _Stack) and axis == 0:
            return _matrix(a.name, index % a.shape[0], a.shape[1:])
        if isinstance(a, Row) and axis == 1 and (len(self.shape) == 2 or a.width == 1):
            return a  # one step of a mask, (batch, 1, width), or a row's only number
        raise CannotCompileError(f"one entry of {_words(a)}")

    def _select_backward(self, gradient: Any, shape: Any, axis: int, index: int) -> Any:
        if isinstance(gradient, MatrixGradient):
            terms = tuple(term._replace(index=index % shape[axis]) for term in gradient.terms)
            return MatrixGradient(terms, self.shape)
        raise CannotCompileError("the derivative of picking one entry")

    # ---- sums over features

    def _sum(self, a: Any, axes: Any = None, keepdim: bool = False, **_: Any) -> Any:
        if axes is None or isinstance(a, VectorGradient):
            raise CannotCompileError("a sum over everything")
        axes = [axis % 2 for axis in axes]
        if axes == [0]:
            return VectorGradient(a)
        if axes == [1]:
            return self.program.total(a)
        raise CannotCompileError("a sum over batch and features")

    def _mean(self, a: Row, axes: Any = None, keepdim: bool = False, **_: Any) -> Row:
        return self._map("divide", self._sum(a, axes), a.width)

    def _var(self, a: Row, axes: Any, correction: float = 1, keepdim: bool = False) -> Row:
        distance = self._map("subtract", a, self._mean(a, axes))
        squares = self._sum(self._map("multiply", distance, distance), axes)
        return self._map("divide", squares, a.width - correction)

    def _native_layer_norm(
        self, a: Row, shape: Any, gain: Any, bias: Any, epsilon: float
    ) -> tuple[Row, Row, Row]:
        mean = self._mean(a, [1])
        distance = self._map("subtract", a, mean)
        variance = self._mean(self._map("multiply", distance, distance), [1])
        scale = self._map("rsqrt", self._map("add", variance, float(epsilon)))
        y = self._map("multiply", distance, scale)
        y = y if gain is None else self._map("multiply", y, gain)
        return (y if bias is None else self._map("add", y, bias)), mean, scale

    def _native_layer_norm_backward(
        self,
        gradient: Row,
        a: Row,
        shape: Any,
        mean: Row,
        scale: Row,
        gain: Any,
        bias: Any,
        wanted: Any,
    ) -> tuple[Row, VectorGradient, VectorGradient]:
        normed = self._map("multiply", self._map("subtract", a, mean), scale)
        inner = gradient if gain is None else self._map("multiply", gradient, gain)
        level = self._mean(inner, [1])
        slope = self._mean(self._map("multiply", inner, normed), [1])
        centred = self._map("subtract", inner, level)
        left = self._map("subtract", centred, self._map("multiply", normed, slope))
        gains = VectorGradient(self._map("multiply", gradient, normed))
        return self._map("multiply", left, scale), gains, VectorGradient(gradient)

    # ---- pieces side by side

    def _split_with_sizes(self, a: Any, sizes: Sequence[int], axis: int = 0) -> list[Any]:
        places = [0, *accumulate(sizes)]
        return [self._part(a, axis, start, stop) for start, stop in pairwise(places)]

    def _split(self, a: Any, size: int, axis: int = 0) -> list[Any]:
        extent = self._extent(a, axis)
        return [
            self._part(a, axis, start, min(start + size, extent))
            for start in range(0, extent, size)
        ]

    def _slice(
        self, a: Any, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1
    ) -> Any:
        if step != 1:
            raise CannotCompileError("a slice with a step")
        of_a_vector = isinstance(a, Row) and self.shape_before == (a.width,)
        if isinstance(a, Row) and axis == 0 and not of_a_vector:
            if self.shape[0] != EXAMPLE_BATCH:
                raise CannotCompileError("a slice of the batch")
            return a
        extent = self._extent(a, axis)
        start = 0 if start is None else start + extent * (start < 0)
        stop = extent if stop is None else stop + extent * (stop < 0)
        return self._part(a, axis, start, min(stop, extent))

    def _extent(self, a: Any, axis: int) -> int:
        if isinstance(a, Row):
            return a.width
        if isinstance(a, VectorGradient):
            return a.row.width
        if isinstance(a, Matrix):
            return a.shape[axis % 2]
        raise CannotCompileError(f"a slice of {_words(a)}")

    def _part(self, a: Any, axis: int, start: int, stop: int) -> Any:
        if isinstance(a, Row):
            return self.program.slice(a, start, stop)
        if isinstance(a, VectorGradient):
            return VectorGradient(self.program.slice(a.row, start, stop))
        field = "columns" if (axis % 2 == 1) != a.transposed else "rows"
        first = getattr(a, field)[0]
        return a._replace(**{field: (first + start, first + stop)})

    def _slice_backward(
        self, gradient: Any, shape: Any, axis: int, start: int, stop: int, step: int
    ) -> Any:
        extent = shape[axis]
        start, stop = (place + extent if place < 0 else place for place in (start, stop))
        if isinstance(gradient, MatrixGradient):
            field = "column" if axis % 2 == 1 else "row"
            return MatrixGradient(_moved(gradient.terms, field, start), self.shape)
        if isinstance(gradient, Row) and axis == 0:
            return gradient
        stop = min(stop, shape[-1])
        row = gradient.row if isinstance(gradient, VectorGradient) else gradient
        padded = self.program.join(
            [self.program.zero(start), row, self.program.zero(shape[-1] - stop)]
        )
        return VectorGradient(padded) if isinstance(gradient, VectorGradient) else padded

    def _cat(self, parts: Sequence[Any], axis: int = 0) -> Any:
        if all(isinstance(part, Row) for part in parts):
            return self.program.join(parts)
        if all(isinstance(part, VectorGradient | Row) for part in parts):
            return VectorGradient(self.program.join(getattr(part, "row", part) for part in parts))
        if not all(isinstance(part, MatrixGradient) for part in parts) or len(self.shape) != 2:
            raise CannotCompileError("a join of " + " and ".join(map(_words, parts)))
        field = "column" if axis % 2 == 1 else "row"
        places = [0, *accumulate(part.shape[axis % 2] for part in parts)]
        terms = [
            _moved(part.terms, field, place) for part, place in zip(parts, places, strict=False)
        ]
        return MatrixGradient(tuple(term for moved in terms for term in moved), self.shape)

    def _expand(self, a: Any, shape: Sequence[int], **_: Any) -> Any:
        if isinstance(a, Row) and a.width == 1 and shape[-1] > 1:
            return self.program.map("copy", a, self.program.zero(shape[-1]))
        return a

    def _zeros(self, *_: Any, **__: Any) -> Any:
        """Nothing flows here: zeros that autograd made."""
        if not self.shape:
            return self.program.constant(0.0)
        if len(self.shape) == 1:
            return VectorGradient(self.program.zero(self.shape[0]))
        if self.shape[0] != EXAMPLE_BATCH:
            return MatrixGradient((), self.shape)
        return self.program.zero(self.shape[-1])

    _zeros_like = _new_zeros = _empty_like = _zeros  # what is empty is filled before it is read

    def _full(self, shape: Any, value: float, **_: Any) -> Row:
        constant = self.program.constant(float(value))
        if not self.shape or self.shape[-1] == 1:
            return constant
        return self.program.map("copy", constant, self.program.zero(self.shape[-1]))

    def _ones(self, *_: Any, **__: Any) -> Row:
        return self._full(None, 1.0)

    _ones_like = _new_ones = _ones

    def _fill(self, a: Any, value: float) -> Any:
        return self._full_like(a, value)

    def _full_like(self, a: Any, value: float, **_: Any) -> Any:
        return self._zeros() if value == 0 else self._full(None, value)

    def _new_full(self, a: Any, shape: Any, value: float, **_: Any) -> Any:
        return self._full_like(a, value)

    def _scalar_tensor(self, value: float, **_: Any) -> float:
        return float(value)


class _Stack(NamedTuple):
    """A parameter (count, rows, columns): one matrix a head."""

    name: str
    shape: tuple[int, ...]


class _Whole(NamedTuple):
    """A buffer of whole numbers or truths."""

    name: str


# torch's name -> ours, element by element.
_MAPS = {
    "mul": "multiply",
    "div": "divide",
    "neg": "negate",
    "maximum": "maximum",
    "minimum": "minimum",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "exp": "exp",
    "expm1": "expm1",
    "log": "log",
    "log1p": "log1p",
    "erf": "erf",
    "sqrt": "sqrt",
    "rsqrt": "rsqrt",
    "reciprocal": "reciprocal",
    "abs": "absolute",
    "sgn": "sign",
    "sign": "sign",
    "gt": "greater",
    "lt": "less",
    "ge": "greater_equal",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
    "logical_and": "and",
    "bitwise_and": "and",
    "logical_or": "or",
    "bitwise_or": "or",
}
_KEPT = ("clone", "detach", "alias", "view", "unsqueeze", "squeeze", "_to_copy", "_unsafe_view",
         "lift_fresh_copy")  # fmt: skip


_COPIED = ("clone", "_to_copy", "lift_fresh_copy")


def _refuse_other_names(node: Traced) -> None:
    """An in-place operation reaches every name of a value; we would change one of them only."""
    changed = node.args[0]
    assert isinstance(changed, Traced)
    known = [changed, *changed.users]
    names = {_name_of(each) for each in known if each.op == "call_function"}
    if names & ({*_KEPT} - {*_COPIED}):
        raise CannotCompileError("an in-place operation on a value that has another name")


def _shape_of(node: Any) -> tuple[int, ...]:
    value = node.meta.get("val") if isinstance(node, Traced) else None
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def _name_of(node: Traced) -> str:
    schema: Any = getattr(node.target, "_schema", None)
    return (
        schema.name.split("::")[1] if schema is not None else getattr(node.target, "__name__", "")
    )


def _matrix(name: str, index: int | None, shape: Sequence[int]) -> Matrix:
    return Matrix(name, index, (0, shape[0]), (0, shape[1]), transposed=False)


def whole_matrix(name: str, shape: Sequence[int]) -> Matrix:
    """A parameter (rows, columns) as it stands."""
    return _matrix(name, None, shape)


def _flipped(term: Outer) -> Outer:
    return term._replace(row=term.column, column=term.row, transposed=not term.transposed)


def _moved(terms: Sequence[Outer], field: str, by: int) -> tuple[Outer, ...]:
    return tuple(term._replace(**{field: getattr(term, field) + by}) for term in terms)


def _words(value: Any) -> str:
    kinds = {
        Row: "values that depend on the state",
        Turned: "values that depend on the state",
        Matrix: "a weight matrix",
        _Stack: "a stack of weight matrices",
        _Whole: "whole numbers",
        MatrixGradient: "a weight's gradient",
        VectorGradient: "a vector's gradient",
    }
    return kinds.get(type(value), type(value).__name__)


def _said(name: str, problem: Exception) -> str:
    if isinstance(problem, CannotCompileError):
        return str(problem)
    return f"torch's {name} in a form that the compiler does not know"


def line_of(node: Traced) -> str:
    """ " (file, line N: source)" of the step's line that the operation comes from."""
    lines = [line.strip() for line in (node.stack_trace or "").splitlines() if line.strip()]
    places = [index for index, line in enumerate(lines) if line.startswith("File")]
    if not places:
        return ""
    place = lines[places[-1]].split(", in ")[0].removeprefix("File ").replace('"', "")
    source = lines[places[-1] + 1] if places[-1] + 1 < len(lines) else ""
    return f" ({place}: {source})"
