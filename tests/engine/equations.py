"""Compute one step, and its gradients, from nothing but the equations of an explanation.

Tensors are (feature, batch) here, so that a slice of features is Python's own.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ostinato.engine.explain import Explanation
from ostinato.engine.explain.explanation import Line, Product, Segment
from ostinato.engine.explain.formulas import Name

_FUNCTIONS = {
    "abs": torch.abs,
    "exp": torch.exp,
    "log1p": torch.log1p,
    "max": lambda a, b: torch.maximum(a, torch.as_tensor(b, dtype=a.dtype)),
    "min": lambda a, b: torch.minimum(a, torch.as_tensor(b, dtype=a.dtype)),
    "rsqrt": torch.rsqrt,
    "sigmoid": torch.sigmoid,
    "sum": lambda a: a.sum(0, keepdim=True),
    "tanh": torch.tanh,
    "where": lambda condition, a, b: torch.where(condition.bool(), *_tensors(condition, a, b)),
}


def _tensors(condition: Tensor, *values: Tensor | float) -> list[Tensor]:
    return [torch.as_tensor(value, dtype=torch.float64).expand_as(condition) for value in values]


class Equations:
    """What has a name so far.

    Args:
        parameters: by name.
        given: what the loop is given, by name, (batch, feature).
    """

    def __init__(self, parameters: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
        # A name with a dot is one name here.
        self.dotted = [name for name in parameters if "." in name]
        self.values = {name: tensor.T for name, tensor in given.items()}
        self.batch = next(iter(given.values())).shape[0]
        for name, tensor in parameters.items():
            shaped = tensor.unsqueeze(1) if tensor.dim() == 1 else tensor
            self.values[self._plain(name)] = shaped
            self.values[self._plain(f"d_{name}")] = torch.zeros_like(shaped)

    def __getitem__(self, name: str) -> Tensor:
        """(batch, feature) of a value, or the gradient of a parameter in its own shape."""
        return self.values[self._plain(name)]

    def run(self, explanation: Explanation) -> None:
        self._products(explanation.before)
        for segment in (*explanation.forward, *explanation.backward):
            self._segment(segment)
        for product in explanation.after:
            self._gradient(product)

    def _segment(self, segment: Segment) -> None:
        self._products(segment.products)
        for line in (line for phase in segment.phases for line in phase if line.formula):
            self._line(line)

    def _products(self, products: Iterable[Product]) -> None:
        for product in products:
            left, right = self._evaluated(product.left), self._evaluated(product.right)
            assert (product.size, product.columns) == right.shape
            self.values[product.name] = right.T @ left

    def _line(self, line: Line) -> None:
        value = self._evaluated(str(line.formula))
        if line.adds:
            self._evaluated(str(line.name)).add_(value.sum(1, keepdim=True))
            return
        for name in (line.name, *(note.where for note in line.notes if note.words == "also")):
            self._store(value, name)

    def _store(self, value: Tensor, name: Name) -> None:
        unknown = torch.full((name.whole, self.batch), torch.nan).double()
        whole = self.values.setdefault(self._plain(name.base), unknown)
        whole[name.start : name.start + name.width] = value

    def _gradient(self, product: Product) -> None:
        """Of a weight, left.T @ right over the batch; of the input, left @ weight."""
        if product.left.endswith(".T"):
            left = self._evaluated(product.left.removesuffix(".T"))
            self._evaluated(product.name).add_(left @ self._evaluated(product.right).T)
            return
        value = self._evaluated(product.right).T @ self._evaluated(product.left)
        before = self.values[product.name] if product.adds else torch.zeros_like(value)
        self.values[product.name] = before + value

    def _evaluated(self, text: str) -> Tensor:
        return eval(self._plain(text), {"__builtins__": {}}, _FUNCTIONS | self.values)

    def _plain(self, text: str) -> str:
        for name in self.dotted:
            text = text.replace(name, name.replace(".", "_"))
        return text
