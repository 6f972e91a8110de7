"""The options that a layer applies to any cell, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ostinato.engine import Products, check_engine, check_products
from ostinato.errors import SettingsError

Initialisation = Literal["orthogonal", "identity"]


@dataclass(frozen=True)
class LayerOptions:
    """What a layer does to the cells it unrolls.

    Args:
        dropout: share of each layer's outputs dropped before the next layer.
        locked_dropout: drop the same features at all steps (Gal 2016), not others at each.
        residual: every layer after the first adds its inputs to its outputs.
        zoneout: share of the state's units that keep their previous value (Krueger 2017); one
            rate, or rates by the names of the state's parts: {"hidden": 0.05, "memory": 0.5}.
        recurrent_dropout: share of the hidden state dropped where the recurrent product reads it,
            the same units at all steps (Gal 2016).
        weight_drop: share of the recurrent weights dropped for a whole call (Merity 2017).
        learned_initial_state: the initial state is a parameter (at first zero).
        initialisation: "orthogonal" or "identity" recurrent weights, each gate's block by itself
            (Saxe 2013; Le 2015). None: the cell's own.
        engine: force an engine of `unroll`. None: the fixed rule.
        products: "bfloat16" rounds the factors of all products with weights to it, forward and
            backward, and adds them up in float32; states, gates and gradients stay float32.
            "float32" rounds none, under autocast either. None: as autocast says, else none.
        recompute: keep a state every sqrt(time) steps and no more, and compute the steps between
            again for the gradient: the memory of the loop grows with sqrt(time) (Chen 2016).
    """

    dropout: float = 0.0
    locked_dropout: bool = False
    residual: bool = False
    zoneout: float | Mapping[str, float] = 0.0
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    learned_initial_state: bool = False
    initialisation: Initialisation | None = None
    engine: str | None = None
    products: Products | None = None
    recompute: bool = False

    def __post_init__(self) -> None:
        for name in ("dropout", "recurrent_dropout", "weight_drop"):
            check_rate(name, getattr(self, name))
        if not isinstance(self.zoneout, Mapping):
            check_rate("zoneout", self.zoneout)
        if self.initialisation not in ("orthogonal", "identity", None):
            raise SettingsError(
                'initialisation must be "orthogonal", "identity" or None, '
                f"got {self.initialisation!r}"
            )
        check_engine(self.engine)
        check_products(self.products)
        if not isinstance(self.recompute, bool):
            raise SettingsError(f"recompute must be True or False, got {self.recompute!r}")
        if self.products == "bfloat16" and self.engine == "vendor":
            raise SettingsError(
                'products="bfloat16" does not go with engine="vendor": torch\'s fused kernels do '
                "not add up products of bfloat16 numbers in float32; leave engine out"
            )

    def zoneout_rates(self, parts: tuple[str, ...]) -> dict[str, float]:
        """The rate of each part of a state.

        Raises:
            SettingsError: a rate is named for a part that the state does not have.
        """
        if not isinstance(self.zoneout, Mapping):
            return dict.fromkeys(parts, self.zoneout)
        for name, rate in self.zoneout.items():
            check_rate(f"zoneout of {name!r}", rate)
            if name not in parts:
                raise SettingsError(
                    f"zoneout names {name!r}, but the state's parts are {', '.join(parts)}"
                )
        return {part: self.zoneout.get(part, 0.0) for part in parts}

    def random_options(self) -> tuple[str, ...]:
        """The names of those that draw masks in training."""
        rates = self.zoneout.values() if isinstance(self.zoneout, Mapping) else [self.zoneout]
        acting = {
            "dropout": self.dropout,
            "zoneout": any(rates),
            "recurrent_dropout": self.recurrent_dropout,
            "weight_drop": self.weight_drop,
        }
        return tuple(name for name, rate in acting.items() if rate)


def check_rate(name: str, rate: float) -> None:
    """Raise SettingsError unless 0 <= rate < 1."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise SettingsError(f"{name} must be at least 0 and less than 1, got {rate!r}")
