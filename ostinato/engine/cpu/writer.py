"""A thin writer of LLVM IR: names, loops and vectors of one target."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ostinato.engine.cpu.target import Target

Index = str | int


class Writer:
    """The body of one function, as text.

    Loops count in stack slots; LLVM makes registers of them. `entry` holds the slots, `lines` what
    follows. A value is its LLVM name, as "%v7"; an index is a name or a Python integer.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.entry: list[str] = []
        self.lines: list[str] = []
        self._names = 0

    def name(self, hint: str = "v") -> str:
        self._names += 1
        return f"%{hint}{self._names}"

    def assign(self, text: str) -> str:
        """Write an instruction with a result; the result's name."""
        name = self.name()
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(f"  {text}")

    def slot(self, kind: str) -> str:
        """A place on the stack."""
        name = self.name("slot")
        self.entry.append(f"  {name} = alloca {kind}, align 64")
        return name

    @contextmanager
    def loop(self, lower: Index, upper: Index, step: Index = 1) -> Iterator[str]:
        """Count from `lower` up to, not including, `upper`; gives the index."""
        slot = self.slot("i64")
        head, body, end = (self.name(hint)[1:] for hint in ("head", "body", "end"))
        self.do(f"store i64 {lower}, ptr {slot}")
        self.do(f"br label %{head}")
        self.lines.append(f"{head}:")
        index = self.assign(f"load i64, ptr {slot}")
        more = self.assign(f"icmp slt i64 {index}, {upper}")
        self.do(f"br i1 {more}, label %{body}, label %{end}")
        self.lines.append(f"{body}:")
        yield index
        following = self.assign(f"add nsw i64 {index}, {step}")
        self.do(f"store i64 {following}, ptr {slot}")
        self.do(f"br label %{head}")
        self.lines.append(f"{end}:")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """Do what follows only where the condition, an i1, holds."""
        body, end = (self.name(hint)[1:] for hint in ("then", "end"))
        self.do(f"br i1 {condition}, label %{body}, label %{end}")
        self.lines.append(f"{body}:")
        yield
        self.do(f"br label %{end}")
        self.lines.append(f"{end}:")

    # ---- whole numbers and addresses

    def add(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0 or b == 0:
            return b if a == 0 else a
        return self.assign(f"add i64 {a}, {b}")

    def subtract(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self.assign(f"sub i64 {a}, {b}")

    def multiply(self, a: Index, b: Index) -> Index:
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 1 or b == 1:
            return b if a == 1 else a
        return self.assign(f"mul i64 {a}, {b}")

    def divide(self, a: Index, b: Index) -> str:
        return self.assign(f"udiv i64 {a}, {b}")

    def minimum(self, a: Index, b: Index) -> str:
        return self.assign(f"call i64 @llvm.umin.i64(i64 {a}, i64 {b})")

    def at(self, pointer: str, index: Index, kind: str | None = None) -> str:
        """The address of element `index` of an array of `kind` (the target's scalar if None)."""
        if index == 0:
            return pointer
        return self.assign(
            f"getelementptr {kind or self.target.scalar}, ptr {pointer}, i64 {index}"
        )

    # ---- vectors

    def load(self, pointer: str, align: int | None = None) -> str:
        align = align or self.target.scalar_bytes
        return self.assign(f"load {self.target.vector}, ptr {pointer}, align {align}")

    def store(self, value: str, pointer: str, align: int | None = None) -> None:
        align = align or self.target.scalar_bytes
        self.do(f"store {self.target.vector} {value}, ptr {pointer}, align {align}")

    def splat(self, number: float) -> str:
        """A constant in every lane."""
        literal = constant(number, self.target)
        lanes = ", ".join([f"{self.target.scalar} {literal}"] * self.target.lanes)
        return f"<{lanes}>"

    def broadcast(self, scalar: str) -> str:
        """A scalar value in every lane."""
        vector, lanes = self.target.vector, self.target.lanes
        one = self.assign(f"insertelement {vector} poison, {self.target.scalar} {scalar}, i32 0")
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self.assign(f"shufflevector {vector} {one}, {vector} poison, {zeros}")

    def binary(self, operation: str, a: str, b: str) -> str:
        return self.assign(f"{operation} {self.target.vector} {a}, {b}")

    def intrinsic(self, function: str, *values: str) -> str:
        """A call of LLVM's `function` on vectors, as "fabs" or "fma"."""
        vector = self.target.vector
        given = ", ".join(f"{vector} {value}" for value in values)
        return self.assign(f"call {vector} @llvm.{function}.{self.target.suffix}({given})")

    def multiply_add(self, a: str, b: str, c: str) -> str:
        """a * b + c, in one rounding where the processor can."""
        return self.intrinsic("fma" if self.target.fused else "fmuladd", a, b, c)

    def compare(self, how: str, a: str, b: str) -> str:
        """`how` as in LLVM: "olt", "ogt", "oeq", "une", ...; a vector of i1."""
        return self.assign(f"fcmp {how} {self.target.vector} {a}, {b}")

    def choose(self, condition: str, a: str, b: str) -> str:
        vector, lanes = self.target.vector, self.target.lanes
        return self.assign(f"select <{lanes} x i1> {condition}, {vector} {a}, {vector} {b}")


def constant(number: float, target: Target) -> str:
    """A number as LLVM writes it: the bits of a double, rounded to the target's precision."""
    rounded = float(np.float32(number)) if target.scalar == "float" else float(number)
    (bits,) = struct.unpack("<Q", struct.pack("<d", rounded))
    return f"0x{bits:016X}"


def declarations(target: Target) -> str:
    """The intrinsics of LLVM that our code calls."""
    vector, suffix, lanes, scalar = target.vector, target.suffix, target.lanes, target.scalar
    one = ("rint", "fabs", "sqrt", "floor")
    two = ("copysign", "maximum", "minimum")
    lines = [f"declare {vector} @llvm.{name}.{suffix}({vector})" for name in one]
    lines += [f"declare {vector} @llvm.{name}.{suffix}({vector}, {vector})" for name in two]
    lines += [
        f"declare {vector} @llvm.{name}.{suffix}({vector}, {vector}, {vector})"
        for name in ("fma", "fmuladd")
    ]
    lines += [
        "declare i64 @llvm.umin.i64(i64, i64)",
        f"declare {scalar} @llvm.vector.reduce.fadd.{suffix}({scalar}, {vector})",
        f"declare {vector} @llvm.masked.load.{suffix}.p0(ptr, i32, <{lanes} x i1>, {vector})",
        f"declare void @llvm.masked.store.{suffix}.p0({vector}, ptr, i32, <{lanes} x i1>)",
    ]
    if target.flushes:
        lines += [
            "declare void @llvm.x86.sse.stmxcsr(ptr)",
            "declare void @llvm.x86.sse.ldmxcsr(ptr)",
        ]
    return "\n".join(lines)
