"""exp, sigmoid, tanh, log and their like on vectors, as LLVM IR.

NaN stays NaN, infinities and signed zeros come out right on every target. Denormal results are
kept, to two units of the last place; where a function says so they may be zero instead, as they are
everywhere if the processor was told to flush.

"Worst" is the largest error seen on avx512, avx2 and portable, in units in the last place (ulp) of
the exact result, which was computed in wider numbers. float: every float from 2^-12 to 2^7 (erf and
tanh: to 16; log: from 1/4 to 4) and every 61st of all. double: three million numbers a target, of
evenly drawn exponents and evenly drawn values.

Divisions are divisions: with AVX-512's estimate of 14 bits and a Newton step instead, sigmoid and
tanh took 6 to 20 in 100 longer.
The coefficients are our own minimax fits (Remez exchange in 60 digits, then rounded).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, log, nan, sqrt
from struct import pack

from ostinato.engine.cpu.target import Target
from ostinato.engine.cpu.writer import Writer, constant


def definitions(target: Target, functions: Iterable[str]) -> str:
    """`@v_NAME(vector) -> vector` for each of `functions`, and the declarations that they add.

    Args:
        target: what the code is made for.
        functions: names out of `FUNCTIONS`; one named twice is defined once.
    """
    texts = [_X86_DECLARATIONS] if _has_table(target) else []
    texts += [_definition(target, name) for name in dict.fromkeys(functions)]
    return "\n".join(texts)


def _definition(target: Target, name: str) -> str:
    write = Writer(target)
    result = _EMITTERS[name](write, "%x")
    head = f"define internal {target.vector} @v_{name}({target.vector} %x) alwaysinline {{"
    return "\n".join([head, *write.lines, f"  ret {target.vector} {result}", "}"])


@dataclass(frozen=True)
class _Fraction:
    """x above(x²) / below(x²), good for |x| up to `limit`; coefficients from the lowest power."""

    limit: float
    above: tuple[float, ...]
    below: tuple[float, ...]


@dataclass(frozen=True)
class _Format:
    """How numbers of one kind are stored, and the polynomials that are exact enough for them.

    Args:
        mantissa_bits: stored bits of the mantissa; the exponent lies above them.
        bias: what is added to a stored exponent.
        ln2_high: the first bits of ln 2, few enough that a multiple by any exponent is exact.
        ln2_low: ln 2 - ln2_high, positive, so that a reduced -0 stays -0.
        exponential: e^r for |r| <= ln 2 / 2.
        logarithm: (2 artanh(s) / s - 2) / s² in s², for |s| <= 3 - sqrt 8.
        half_tanh: tanh(x / 2).
    """

    mantissa_bits: int
    bias: int
    ln2_high: float
    ln2_low: float
    exponential: tuple[float, ...]
    logarithm: tuple[float, ...]
    half_tanh: _Fraction


def _exp(write: Writer, x: str) -> str:
    """e^x = 2^k e^r with x = k ln 2 + r. Denormal results are right.

    2^k is multiplied in two halves, since it may lie outside the range where the result does not.
    Worst: float 1.2, double 1.2 ulp.
    """
    if _has_table(write.target):
        return _scale(write, *_exponential_by_table(write, x))
    form = _format(write)
    lowest, highest = -(form.bias + form.mantissa_bits + 1) * log(2), (form.bias + 1.25) * log(2)
    shifted, r = _reduce(write, _clamp(write, x, lowest, highest), 2 * form.bias)
    both = _bits(write, shifted)
    first = _on_bits(write, "lshr", both, 1)
    second = _on_bits(write, "sub", both, first)
    power = _polynomial(write, form.exponential, r)
    power = write.binary("fmul", power, _power_of_two(write, first))
    return write.binary("fmul", power, _power_of_two(write, second))


def _expm1(write: Writer, x: str) -> str:
    """e^x - 1 = 2 (h (e^r - 1) + (h - 1/2)) with h = 2^(k-1), which does not overflow.

    Worst: float 2.1, double 2.7 ulp.
    """
    form, half = _format(write), write.splat(0.5)
    lowest, highest = -(form.mantissa_bits + 3) * log(2), (form.bias + 1.25) * log(2)
    shifted, r = _reduce(write, _clamp(write, x, lowest, highest), form.bias - 1)
    power = _power_of_two(write, _bits(write, shifted))
    rest = write.binary("fmul", r, _polynomial(write, form.exponential[1:], r))
    y = write.multiply_add(power, rest, write.binary("fsub", power, half))
    return write.intrinsic("copysign", write.binary("fadd", y, y), x)


def _sigmoid(write: Writer, x: str) -> str:
    """1 / (1 + e^-x): no difference of near numbers, so right to the last for very negative x.

    An e^-x that overflows gives 0 instead of a denormal number. Worst: float 3.1 (2.5 without
    the table), double 2.4 ulp.
    """
    form, one = _format(write), write.splat(1.0)
    if _has_table(write.target):
        power = _scale(write, *_exponential_by_table(write, _negate(write, x)))
        return write.binary("fdiv", one, write.binary("fadd", power, one))
    # At the two ends 2^k becomes the bits of infinity and of zero by itself.
    x = _clamp(write, x, -(form.bias + 1) * log(2), form.bias * log(2))
    shifted, r = _reduce(write, _negate(write, x), form.bias)
    power = _power_of_two(write, _bits(write, shifted))
    sum_ = write.multiply_add(_polynomial(write, form.exponential, r), power, one)
    return write.binary("fdiv", one, sum_)


def _tanh(write: Writer, x: str) -> str:
    """Of half the argument, doubled (`_doubled`). Never above 1 in magnitude.

    Worst: float 3.5 (3.1 where fused), double 3.2 ulp. By way of e^2x - 1 the worst would be 2.2,
    for a quarter more time; x P(x²) / Q(x²) takes the same time, is off by 5 and exceeds 1.
    """
    above, below = _doubled(write, x, _format(write).half_tanh)
    if not (write.target.fused and write.target.scalar == "float"):
        # Fused floats round to no more than 1 by themselves: all were tried.
        below = _at_least_magnitude(write, below, above)
    return write.binary("fdiv", above, below)


def _erf(write: Writer, x: str) -> str:
    """The error function. Never above 1 in magnitude.

    float: the tanh whose argument is artanh(erf(x)), from its half (`_doubled`); double: x P(x²)
    below 1, from there 1 - e^(-x²) R(x). Worst: float 4.1 (3.6 where fused),
    double 1.4 ulp (14,000 numbers).
    """
    if write.target.scalar == "float":
        above, below = _doubled(write, x, _HALF_ARTANH_ERF)
        return write.binary("fdiv", above, _at_least_magnitude(write, below, above))
    magnitude, one = write.intrinsic("fabs", x), write.splat(1.0)
    square = write.binary("fmul", x, x)
    near = write.binary("fmul", x, _polynomial(write, _ERF_BELOW_ONE, square))
    a = _at_most(write, magnitude, _SCALED_ERFC.limit)
    power = _exp(write, write.binary("fmul", _negate(write, a), a))
    above = write.binary("fmul", power, _polynomial(write, _SCALED_ERFC.above, a))
    tail = write.binary("fdiv", above, _polynomial(write, _SCALED_ERFC.below, a))
    far = write.intrinsic("copysign", write.binary("fsub", one, tail), x)
    return write.choose(write.compare("olt", magnitude, one), near, far)


def _log(write: Writer, x: str) -> str:
    """ln x = k ln 2 + ln m with m from sqrt(1/2) to sqrt 2. Right for denormal x.

    Worst: float 0.9, double 0.8 ulp.
    """
    form, zero = _format(write), write.splat(0.0)
    lift = form.mantissa_bits + 1
    small = write.compare("olt", x, write.splat(2.0 ** (1 - form.bias)))
    lifted = write.choose(small, write.binary("fmul", x, write.splat(2.0**lift)), x)
    lift_taken = write.choose(small, write.splat(lift), zero)
    _, k, m = _split(write, lifted)
    y = _logarithm(
        write,
        write.binary("fsub", m, write.splat(1.0)),
        write.binary("fsub", k, lift_taken),
    )
    y = write.choose(write.compare("olt", x, write.splat(inf)), y, x)
    y = write.choose(write.compare("oeq", x, zero), write.splat(-inf), y)
    return write.choose(write.compare("olt", x, zero), write.splat(nan), y)


def _log1p(write: Writer, x: str) -> str:
    """ln(1 + x): as `_log` of u = fl(1 + x), but m - 1 gets back what the sum lost, 2^-k c.

    c = x - (u - 1); where k = 0, m - 1 is x itself. Worst: float 1.5, double 1.4 ulp.
    """
    form, one = _format(write), write.splat(1.0)
    u = write.binary("fadd", x, one)
    lost = write.binary("fsub", x, write.binary("fsub", u, one))
    shifted, k, m = _split(write, u)
    # 2^(1-k): the exponent's bits, all reversed. 2^-k could be denormal, where bits mean less.
    every = (2 * form.bias + 1) << form.mantissa_bits
    reverse = _on_bits(write, "xor", _on_bits(write, "and", shifted, every), every)
    half_lost = write.binary("fmul", lost, write.splat(0.5))
    f = write.multiply_add(half_lost, _number(write, reverse), write.binary("fsub", m, one))
    y = write.intrinsic("copysign", _logarithm(write, f, k), x)
    y = write.choose(write.compare("olt", x, write.splat(inf)), y, x)
    y = write.choose(write.compare("oeq", x, write.splat(-1.0)), write.splat(-inf), y)
    return write.choose(write.compare("olt", x, write.splat(-1.0)), write.splat(nan), y)


_EMITTERS: dict[str, Callable[[Writer, str], str]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "erf": _erf,
}

FUNCTIONS = tuple(_EMITTERS)


# ---- what the functions share


def _format(write: Writer) -> _Format:
    return _FLOAT if write.target.scalar == "float" else _DOUBLE


def _reduce(write: Writer, x: str, bias: int) -> tuple[str, str]:
    """x = k ln 2 + r, |r| <= ln 2 / 2: a number whose lowest bits hold k + bias, and r.

    Adding 1.5 * 2^mantissa_bits rounds to whole numbers, on processors too that have no
    instruction for it.
    """
    form = _format(write)
    shifted, _, r = _reduce_to(write, x, 1.5 * 2.0**form.mantissa_bits + bias)
    return shifted, r


def _reduce_to(write: Writer, x: str, rounder: float) -> tuple[str, str, str]:
    """The sum with `rounder`; k, a multiple of the last place of `rounder`; r."""
    form = _format(write)
    shifted = write.multiply_add(x, write.splat(1 / log(2)), write.splat(rounder))
    k = write.binary("fsub", shifted, write.splat(rounder))
    r = write.multiply_add(k, write.splat(-form.ln2_high), x)
    return shifted, k, write.multiply_add(k, write.splat(-form.ln2_low), r)


def _power_of_two(write: Writer, biased: str) -> str:
    """The number whose stored exponent is in the lowest bits of `biased`."""
    return _number(write, _on_bits(write, "shl", biased, _format(write).mantissa_bits))


def _logarithm(write: Writer, f: str, k: str) -> str:
    """k ln 2 + ln(1 + f), ln(1 + f) = f - (f²/2 - s (f²/2 + R(s²))), s = f / (2 + f).

    The known form of the series in s that adds the rounded terms to the exact f last.
    """
    form = _format(write)
    s = write.binary("fdiv", f, write.binary("fadd", f, write.splat(2.0)))
    square = write.binary("fmul", s, s)
    series = write.binary("fmul", square, _polynomial(write, form.logarithm, square))
    half = write.binary("fmul", write.binary("fmul", f, write.splat(0.5)), f)
    low = write.binary("fmul", k, write.splat(form.ln2_low))
    low = write.multiply_add(s, write.binary("fadd", half, series), low)
    rest = write.binary("fsub", f, write.binary("fsub", half, low))
    return write.multiply_add(k, write.splat(form.ln2_high), rest)


def _split(write: Writer, x: str) -> tuple[str, str, str]:
    """x = 2^k m, m from sqrt(1/2) to sqrt 2: bits whose exponent is k's, k, m."""
    form = _format(write)
    one = form.bias << form.mantissa_bits
    root = _bits_of(sqrt(0.5), write.target)
    last = (1 << form.mantissa_bits) - 1
    shifted = _on_bits(write, "add", _bits(write, x), one - root)
    exponent = _on_bits(write, "lshr", shifted, form.mantissa_bits)
    # These bits below the exponent of 2^mantissa_bits make a whole number of them.
    whole = 2.0**form.mantissa_bits
    exponent = _number(write, _on_bits(write, "or", exponent, _bits_of(whole, write.target)))
    k = write.binary("fsub", exponent, write.splat(whole + form.bias))
    mantissa = _on_bits(write, "add", _on_bits(write, "and", shifted, last), root)
    return shifted, k, _number(write, mantissa)


def _doubled(write: Writer, x: str, half: _Fraction) -> tuple[str, str]:
    """2 t / (1 + t²) with t = n / d = half(x), as 2 n d and d² + n²: a single division is left.

    The derivative by t vanishes where t nears 1, and with it the errors of t, so that a short
    fraction will do. The coefficients are scaled so that d starts high in its binade, where the
    relative error of a rounding is small.
    """
    x = _clamp(write, x, -half.limit, half.limit)
    square = write.binary("fmul", x, x)
    n = write.binary("fmul", x, _polynomial(write, half.above, square))
    d = _polynomial(write, half.below, square)
    above = write.binary("fmul", n, write.binary("fadd", d, d))
    below = write.multiply_add(d, d, write.binary("fmul", n, n))
    return above, below


def _at_least_magnitude(write: Writer, below: str, above: str) -> str:
    """`below`, or |above| where rounding put that higher, so that no quotient exceeds 1."""
    least = write.intrinsic("fabs", above)
    return write.choose(write.compare("ogt", least, below), least, below)


def _polynomial(write: Writer, coefficients: tuple[float, ...], x: str) -> str:
    """By Horner's rule; coefficients from the lowest power."""
    value = write.splat(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = write.multiply_add(value, x, write.splat(coefficient))
    return value


def _clamp(write: Writer, x: str, lowest: float, highest: float) -> str:
    """x within bounds; NaN stays."""
    bound = write.splat(lowest)
    return _at_most(write, write.choose(write.compare("olt", x, bound), bound, x), highest)


def _at_most(write: Writer, x: str, highest: float) -> str:
    bound = write.splat(highest)
    return write.choose(write.compare("ogt", x, bound), bound, x)


def _negate(write: Writer, x: str) -> str:
    return write.assign(f"fneg {write.target.vector} {x}")


def _integers(target: Target) -> str:
    return f"<{target.lanes} x i{8 * target.scalar_bytes}>"


def _bits(write: Writer, x: str) -> str:
    return write.assign(f"bitcast {write.target.vector} {x} to {_integers(write.target)}")


def _number(write: Writer, bits: str) -> str:
    return write.assign(f"bitcast {_integers(write.target)} {bits} to {write.target.vector}")


def _on_bits(write: Writer, operation: str, a: str, b: str | int) -> str:
    if isinstance(b, int):
        one = f"i{8 * write.target.scalar_bytes} {b}"
        b = f"<{', '.join([one] * write.target.lanes)}>"
    return write.assign(f"{operation} {_integers(write.target)} {a}, {b}")


def _bits_of(number: float, target: Target) -> int:
    kind = "f" if target.scalar == "float" else "d"
    return int.from_bytes(pack(f"<{kind}", number), "little")


# ---- AVX-512: e^x by a table in a register


def _has_table(target: Target) -> bool:
    return target.name == "avx512" and target.scalar == "float"


def _exponential_by_table(write: Writer, x: str) -> tuple[str, str]:
    """e^x = 2^floor(k) m, k a multiple of 1/16: m = 2^(k - floor(k)) e^r, and k.

    The sum that rounds x / ln 2 holds the table's index in its lowest bits, where the permutation
    looks for it. Where x is infinite or too large, r is anything; it is bounded, so that m stays
    positive and k alone decides. NaN lives on in k.
    """
    vector = write.target.vector
    shifted, k, r = _reduce_to(write, x, 1.5 * 2.0 ** (_FLOAT.mantissa_bits - 4))
    r = _avx512(write, "mask.range.ps", r, f"{vector} {write.splat(0.03)}, i32 2", masked=True)
    table = ", ".join(f"float {constant(2 ** (i / 16), write.target)}" for i in range(16))
    index = _bits(write, shifted)
    root = _avx512(write, "permvar.sf", f"<{table}>", f"<16 x i32> {index}")
    rest = write.binary("fmul", r, _polynomial(write, _NARROW_EXPONENTIAL, r))
    return write.multiply_add(root, rest, root), k


def _scale(write: Writer, x: str, k: str) -> str:
    """2^floor(k) x, rounded once, whatever k."""
    return _avx512(write, "mask.scalef.ps", x, f"{write.target.vector} {k}", masked=True)


def _avx512(write: Writer, name: str, x: str, rest: str, masked: bool = False) -> str:
    """A call of an intrinsic of AVX-512; masked: in all lanes, with the rounding that is set."""
    vector = write.target.vector
    end = f", {vector} zeroinitializer, i16 -1, i32 4" if masked else ""
    return write.assign(f"call {vector} @llvm.x86.avx512.{name}.512({vector} {x}, {rest}{end})")


_X86_DECLARATIONS = """
declare <16 x float> @llvm.x86.avx512.permvar.sf.512(<16 x float>, <16 x i32>)
declare <16 x float> @llvm.x86.avx512.mask.range.ps.512(
    <16 x float>, <16 x float>, i32, <16 x float>, i16, i32)
declare <16 x float> @llvm.x86.avx512.mask.scalef.ps.512(
    <16 x float>, <16 x float>, <16 x float>, i16, i32)
"""

# ---- coefficients

# fmt: off
_FLOAT = _Format(
    mantissa_bits=23,
    bias=127,
    ln2_high=0.693145751953125,
    ln2_low=1.4286068203094173e-06,
    exponential=(1.0, 1.0, 0.49999994, 0.16666518, 0.041668423, 0.008369063, 0.001381388),
    logarithm=(0.66666687, 0.39988717, 0.29582047),
    half_tanh=_Fraction(
        limit=9.1,
        above=(0.921875, 0.027440142, 1.0517142e-04),
        below=(1.84375, 0.20852603, 0.002223008, 2.2597694e-06),
    ),
)

_DOUBLE = _Format(
    mantissa_bits=52,
    bias=1023,
    ln2_high=0.6931471803691238,
    ln2_low=1.9082149292705877e-10,
    exponential=(
        1.0, 1.0, 0.5000000000000011, 0.16666666666666674, 0.04166666666651622,
        0.008333333333321763, 0.001388888894957578, 0.00019841269887940468, 2.4801485350581318e-05,
        2.7557240817623696e-06, 2.7633396727497763e-07, 2.511061968031656e-08,
    ),
    logarithm=(
        0.666666666666667, 0.39999999999898506, 0.28571428626370793, 0.22222211077466175,
        0.18182892882819868, 0.15331608094034657, 0.14617735408693172,
    ),
    half_tanh=_Fraction(
        limit=19.1,
        above=(
            0.90625, 0.033068123809526936, 0.00028978845149887623, 8.918664865619031e-07,
            1.0249726417248747e-09, 3.7016377785097135e-13, 1.8800623708051385e-17,
        ),
        below=(
            1.8125, 0.2171779142857205, 0.003573569760141171, 1.816307806417851e-05,
            3.4342431577977656e-08, 2.3056473541764746e-11, 3.7991865302025794e-15,
        ),
    ),
)

# (e^r - 1) / r for |r| <= ln 2 / 32.
_NARROW_EXPONENTIAL = (1.0, 0.50002056, 0.16667077)

# tanh(artanh(erf x) / 2).
_HALF_ARTANH_ERF = _Fraction(
    limit=3.95,
    above=(0.9697009, 0.2555689, 0.027741302, 0.0021834397),
    below=(1.71875, 0.47880766, 0.083281316, 0.010396137, 1.7002184e-04),
)

# erf(x) / x in x², |x| <= 1.
_ERF_BELOW_ONE = (
    1.1283791670955126, -0.3761263890318352, 0.11283791670944186, -0.02686617064311165,
    0.005223977606119731, -0.000854832592936386, 0.00012055293578087828, -1.4924712320001533e-05,
    1.6447131742485591e-06, -1.6206314739432792e-07, 1.371098343122127e-08, -7.779472237917991e-10,
)

# e^(x²) erfc(x), from 1 on; here the variable is x itself.
_SCALED_ERFC = _Fraction(
    limit=6.0,
    above=(
        0.9999998890790656, 1.390103149477389, 0.9489314053292244, 0.3732474124251734,
        0.08423682093569256, 0.0089134805638058,
    ),
    below=(
        1.0, 2.5184811463670016, 2.7907389503822064, 1.756011867354075, 0.6695230020486406,
        0.1493019484941495, 0.015798856296099128,
    ),
)
