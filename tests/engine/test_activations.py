"""Steps with torch's activations, norms and ways of writing: compiled, and as in the reference."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from own_cells import (
    Own,
    assert_agrees,
    assert_same,
    differentiated,
    of_parts,
    of_sum,
    readings,
    reason_of,
)
from torch import Tensor

FUNCTIONS: dict[str, Any] = {
    "softplus": F.softplus,
    "softplus of another slope": lambda z: F.softplus(z, beta=3.0, threshold=2.0),
    "silu": F.silu,
    "gelu": F.gelu,
    "gelu by tanh": lambda z: F.gelu(z, approximate="tanh"),
    "elu": F.elu,
    "celu": lambda z: F.celu(z, 0.7),
    "selu": F.selu,
    "leaky relu": F.leaky_relu,
    "relu6": lambda z: F.relu6(7 * z),
    "hardtanh": F.hardtanh,
    "hardswish": lambda z: F.hardswish(4 * z),
    "mish": F.mish,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "softshrink": lambda z: F.softshrink(z, 0.2),
    "log sigmoid": F.logsigmoid,
    "glu": lambda z: F.glu(torch.cat([z, 2 * z], 1), 1),
    "norm": lambda z: z / (1 + z.norm(dim=-1, keepdim=True)),
    "normalised": lambda z: F.normalize(z, dim=-1),
    "cosine": lambda z: z * F.cosine_similarity(z, z * z + 1)[:, None],
    "std": lambda z: z / (1 + z.std(-1, keepdim=True)),
    "both limits": lambda z: z.clamp(-0.3, 0.4),
    "one over a square": lambda z: (z * z + 1) ** -2,
    "a root": lambda z: (z * z + 1) ** 0.5,
    "a power of one and a half": lambda z: (z * z + 1) ** 1.5,
    "exclusive or": lambda z: torch.where((z > 0) ^ (z < 1), z, 0.0),
    "not": lambda z: torch.where(~(z > 0), z, 0.0),
    "ones": lambda z: z * torch.ones(4, dtype=z.dtype),
    "between two": lambda z: torch.lerp(z.tanh(), z.sigmoid(), 0.3),
    "product added": lambda z: torch.addcmul(z, z.tanh(), z, value=0.3),
    "multiplied in place": lambda z: (z + 1).mul_(2.0).tanh(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_step_with_this_is_compiled_and_agrees_with_the_reference(name: str) -> None:
    torch.manual_seed(0)
    cell = Own(of_sum(FUNCTIONS[name]))
    assert reason_of(cell).startswith("compiled: ")
    assert_agrees(cell)


def test_hardsigmoid_is_compiled_with_more_digits_than_torch_has() -> None:
    """torch multiplies with a sixth in single precision, whatever the numbers."""
    torch.manual_seed(0)
    cell = Own(of_sum(lambda z: F.hardsigmoid(4 * z))).double()
    exact = Own(of_sum(lambda z: F.relu6(4 * z + 3) / 6)).double()
    exact.load_state_dict(cell.state_dict())
    inputs = torch.randn(4, 5, cell.input_size, dtype=torch.float64)
    (reading, _) = readings(cell)
    assert_same(
        differentiated(cell, inputs, reading, "compiled"),
        differentiated(exact, inputs, reading, "reference"),
    )


def test_a_part_of_a_bias_is_compiled_with_its_gradient() -> None:
    def step(cell: Own, projected: Tensor, hidden: Tensor) -> Tensor:
        ends = torch.cat([cell.bias[2:], cell.bias[:2]])
        return torch.tanh(projected * ends + F.linear(hidden, cell.weight_hh))

    assert_agrees(Own(of_parts(step)))
