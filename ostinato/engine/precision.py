"""In which numbers products are computed: factors in bfloat16, sums and the rest in float32.

The rule for every engine, and for gradients too: both factors of a product are rounded to bfloat16
(to the nearest, ties to even), their products are added up in float32, and what comes out stays
float32. A product's gradient is two products, of the rounded incoming gradient with the rounded
other factor. Nothing but factors is rounded: states, gates, biases, gradients stay float32.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ostinato.errors import EngineError, SettingsError

Products = Literal["float32", "bfloat16"]


def check_products(products: str | None) -> None:
    """Raise SettingsError unless `products` is a kind of number we multiply in, or None."""
    if products not in ("float32", "bfloat16", None):
        raise SettingsError(f'products must be "float32", "bfloat16" or None, got {products!r}')


def products_obstacle(cell: Any, products: Products) -> str | None:
    """Why the products of a cell cannot be computed so, or None where they can."""
    for name, parameter in cast(nn.Module, cell).named_parameters():
        if parameter.dtype != torch.float32:
            kind = str(parameter.dtype).removeprefix("torch.")
            return (
                f"products={products!r} needs parameters in float32, but {name} of "
                f"{type(cell).__name__} is {kind}; use products=None, or make the cell float32"
            )
    return None


def refuse_other_kinds(cell: Any, products: Products) -> None:
    """Raise EngineError unless the parameters of `cell` are all float32."""
    obstacle = products_obstacle(cell, products)
    if obstacle is not None:
        raise EngineError(obstacle)


def autocast_rounds() -> bool:
    """Whether autocast on the CPU asks for products in bfloat16."""
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


@contextmanager
def computing_products(products: Products | None, device: str) -> Iterator[None]:
    """While this lasts, plain PyTorch computes products as asked, whatever autocast says.

    Args:
        products: "bfloat16" rounds the factors of `torch.matmul` and its relatives; "float32" does
            not; None leaves all as it is.
        device: on which autocast is left out, as "cpu".
    """
    if products is None:
        yield
        return
    with torch.autocast(device, enabled=False):
        if products == "bfloat16":
            with _RoundedProducts():
                yield
        else:
            yield


class _RoundedProducts(TorchFunctionMode):
    """Rounds the factors of every matrix product to bfloat16."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _WITH_ADDITION:
            return _WITH_ADDITION[func](*args, **kwargs)
        if func not in _PRODUCTS:
            return func(*args, **kwargs)
        rounded = [_rounded(each) for each in args]
        named = {name: _rounded(each) for name, each in kwargs.items()}
        return _with_rounded_gradient(func(*rounded, **named))


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    product = nn.functional.linear(_rounded(inputs), _rounded(weight))
    found = _with_rounded_gradient(product)
    return found if bias is None else found + bias


def _add_product(product: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """`addmm` and its like, around the product that they add."""

    def add(
        own: Tensor, one: Tensor, other: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        found = _with_rounded_gradient(product(_rounded(one), _rounded(other)))
        return beta * own + alpha * found

    return add


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_rounded(each) for each in value]
    if isinstance(value, Tensor) and value.dtype == torch.float32:
        return _as_factor(value)
    return value


def _as_factor(value: Tensor) -> Tensor:
    """The value rounded to bfloat16; its gradient flows back as if it were not rounded.

    All in torch's own operations, so that it can be transformed in any way. The difference of a
    number and itself rounded is exact, and so is their sum.
    """
    rounded = value.detach().to(torch.bfloat16).to(value.dtype)
    return value + _difference(rounded, value)


def _with_rounded_gradient(value: Tensor) -> Tensor:
    """The value as it is; the gradient that flows back into it is rounded to bfloat16."""
    rounded = value.to(torch.bfloat16).to(value.dtype)
    return rounded + _difference(value, rounded)


def _difference(one: Tensor, other: Tensor) -> Tensor:
    """One minus the other, 0 also where both are infinite; no gradient flows."""
    one, other = one.detach(), other.detach()
    return torch.where(one == other, 0.0, one - other)


_PRODUCTS = frozenset(
    {
        torch.matmul,
        Tensor.matmul,
        Tensor.__matmul__,
        Tensor.__rmatmul__,
        torch.mm,
        Tensor.mm,
        torch.bmm,
        Tensor.bmm,
        torch.mv,
        Tensor.mv,
        torch.einsum,
        torch.inner,
        torch.tensordot,
    }
)
_WITH_ADDITION: dict[Any, Callable[..., Any]] = {
    nn.functional.linear: _linear,
    torch.addmm: _add_product(torch.mm),
    Tensor.addmm: _add_product(torch.mm),
    torch.baddbmm: _add_product(torch.bmm),
    Tensor.baddbmm: _add_product(torch.bmm),
    torch.addmv: _add_product(torch.mv),
    Tensor.addmv: _add_product(torch.mv),
}
