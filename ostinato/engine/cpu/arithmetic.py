"""Operations on single vectors, as LLVM IR."""

from ostinato.engine.cpu import mathematics
from ostinato.engine.cpu.writer import Writer
from ostinato.engine.program import TRUTHS


class Arithmetic:
    """Writes what a map does to vectors; `functions` are those of `mathematics` that it calls."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.target = writer.target
        self.functions: set[str] = set()

    def apply(self, operation: str, given: list[str]) -> str:
        """The name of the result."""
        writer = self.writer
        if operation in _BINARY:
            return writer.binary(_BINARY[operation], *given)
        if operation in _COMPARE:
            return writer.compare(_COMPARE[operation], *given)
        if operation in _LOGIC:
            return writer.assign(f"{operation} <{self.target.lanes} x i1> {given[0]}, {given[1]}")
        if operation in _INTRINSIC:
            return writer.intrinsic(_INTRINSIC[operation], *given)
        if operation in mathematics.FUNCTIONS:
            self.functions.add(operation)
            vector = self.target.vector
            return writer.assign(f"call {vector} @v_{operation}({vector} {given[0]})")
        return getattr(self, f"_map_{operation}")(*given)

    def _map_copy(self, value: str, *_: str) -> str:
        return value

    def _map_negate(self, value: str) -> str:
        return self.writer.assign(f"fneg {self.target.vector} {value}")

    def _map_where(self, condition: str, a: str, b: str) -> str:
        return self.writer.choose(condition, a, b)

    def _map_not(self, value: str) -> str:
        lanes = self.target.lanes
        ones = ", ".join(["i1 true"] * lanes)
        return self.writer.assign(f"xor <{lanes} x i1> {value}, <{ones}>")

    def _map_reciprocal(self, value: str) -> str:
        return self.writer.binary("fdiv", self.writer.splat(1.0), value)

    def _map_rsqrt(self, value: str) -> str:
        return self._map_reciprocal(self.writer.intrinsic("sqrt", value))

    def _map_sign(self, value: str) -> str:
        one = self.writer.intrinsic("copysign", self.writer.splat(1.0), value)
        zero = self.writer.compare("oeq", value, "zeroinitializer")
        known = self.writer.compare("ord", value, value)
        signed = self.writer.choose(zero, "zeroinitializer", one)
        return self.writer.choose(known, signed, value)


_BINARY = {
    "add": "fadd contract",
    "subtract": "fsub contract",
    "multiply": "fmul contract",
    "divide": "fdiv",
}
_COMPARE = {
    "greater": "ogt",
    "less": "olt",
    "greater_equal": "oge",
    "less_equal": "ole",
    "equal": "oeq",
    "not_equal": "une",
}
_LOGIC = ("and", "or")
_INTRINSIC = {
    "maximum": "maximum",
    "minimum": "minimum",
    "absolute": "fabs",
    "sqrt": "sqrt",
}
assert set(TRUTHS) == {*_COMPARE, *_LOGIC, "not"}
