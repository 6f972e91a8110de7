"""What the code is made for: the processor's vector width, and the kind of number."""

import platform
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

Scalar = Literal["float", "double"]


@dataclass(frozen=True)
class Target:
    """A processor as the emitter sees it.

    Args:
        name: "avx512", "avx2" or "portable" (right on any processor that LLVM knows).
        processor: LLVM's name of the processor, "" for any.
        features: LLVM's features, as "+avx2,-sse4a".
        scalar: the kind of number: "float" (32 bits) or "double" (64).
        lanes: numbers in one vector.
        registers: how many vectors the processor holds in registers.
        fused: multiply and add are one instruction, with one rounding.
        flushes: denormal numbers can be flushed to zero by the x86 control register.
    """

    name: str
    processor: str
    features: str
    scalar: Scalar
    lanes: int
    registers: int
    fused: bool
    flushes: bool

    @property
    def scalar_bytes(self) -> int:
        return 4 if self.scalar == "float" else 8

    @property
    def vector(self) -> str:
        """LLVM's type of one vector, as "<16 x float>"."""
        return f"<{self.lanes} x {self.scalar}>"

    @property
    def suffix(self) -> str:
        """How LLVM's intrinsics name this vector, as "v16f32"."""
        return f"v{self.lanes}f{8 * self.scalar_bytes}"

    def with_scalar(self, scalar: Scalar) -> "Target":
        """The same processor with another kind of number."""
        lanes = self.lanes * self.scalar_bytes // (4 if scalar == "float" else 8)
        return replace(self, scalar=scalar, lanes=lanes)


def host_obstacle() -> str | None:
    """Why no code can be written on this machine, or None where it can."""
    if _PROBLEM:
        return _PROBLEM[0]
    try:
        host_target()
    except ImportError:
        return "llvmlite, which writes machine code, is not installed: pip install llvmlite"
    except Exception as problem:  # a library that is there and does not work
        _PROBLEM.append(f"llvmlite, which writes machine code, does not work here: {problem}")
        return _PROBLEM[0]
    return None


_PROBLEM: list[str] = []  # what is broken stays so, and is not tried again


@cache
def host_target() -> Target:
    """The best target of this machine, in single precision."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    name = llvm.get_host_cpu_name()
    if features.get("avx512f") and features.get("avx512dq") and features.get("avx512vl"):
        wanted = features.flatten() + ",-prefer-256-bit"
        return Target("avx512", name, wanted, "float", 16, 32, fused=True, flushes=True)
    if features.get("avx2") and features.get("fma"):
        return Target("avx2", name, features.flatten(), "float", 8, 16, fused=True, flushes=True)
    return portable_target()


def avx2_target() -> Target:
    """A machine with AVX2 and FMA, and nothing later."""
    features = "+avx2,+fma,+bmi,+bmi2,+f16c"
    return Target("avx2", "haswell", features, "float", 8, 16, fused=True, flushes=True)


def portable_target() -> Target:
    """What every processor of this family can do: vectors of four."""
    flushes = platform.machine().lower() in ("x86_64", "amd64")
    return Target("portable", "", "", "float", 4, 16, fused=False, flushes=flushes)
