"""torch's activations and norms, traced in the simpler operations that the compiler knows.

torch has the rules; this is the list of those we ask for.
"""

from functools import cache
from typing import Any

import torch

_NAMES = (
    *("softplus", "silu", "gelu", "elu", "leaky_relu", "hardtanh", "hardsigmoid", "mish"),
    *("hardswish", "celu", "selu", "glu", "softshrink", "threshold", "prelu", "_prelu_kernel"),
    *("linalg_vector_norm", "std", "addcmul", "addcdiv", "lerp"),
)


@cache
def decompositions() -> dict[Any, Any]:
    """For make_fx: each operation of the list, and its derivative, with torch's rule for it."""
    from torch._decomp import decomposition_table

    packets = [getattr(torch.ops.aten, name, None) for name in _NAMES]
    packets += [getattr(torch.ops.aten, f"{name}_backward", None) for name in _NAMES]
    operations = [
        getattr(packet, overload)
        for packet in packets
        if packet is not None
        for overload in packet.overloads()
    ]
    return {each: decomposition_table[each] for each in operations if each in decomposition_table}
