"""A recurrent encoder-decoder with attention that gives every step of the horizon at once."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ostinato.errors import SettingsError
from ostinato.layers import Dropout, RecurrentLayer
from ostinato.layers.attention import Attention, ScaledDotScore
from ostinato.models.windowed_forecaster import WindowedForecaster, WindowSize


class DirectForecaster(WindowedForecaster):
    """Reads a window and what is known of the horizon; nothing it writes is read again.

        k_i   = encoder(x_i, seen_i, covariates_i)            i = 1 .. history
        s_t   = decoder(lag_t, lag seen_t, covariates_t, t / horizon; k's last state)
        c_t   = attention of s_t over k_1, .., k_history
        q_t   = share_t lag_t + W_o dropout(tanh(W_c (c_t || s_t)))

    lag_t is the value at the same place of the window's last season; share_t = sigmoid of a row of
    W_o, 0 where that value was not seen. The rows of W_o begin at 0, so that an untrained net
    expects half way between the last value (of a window so normalised) and the season before.

    Args:
        encoder, decoder: read one way, with states of the same sizes; their inputs are as wide as
            `direct_input_sizes` says.
        size: of the window.
        season: steps.
        loss, levels, normalisation: as in `WindowedForecaster`.
        dropout: share of the features dropped before the output.

    Raises:
        SettingsError: a layer reads both ways, or its input size does not fit.

    Source: Wen 2017 (a multi-horizon quantile recurrent forecaster) for the direct quantiles,
    Luong 2015 for the attention. The values of a season before are ours.
    """

    def __init__(
        self,
        encoder: RecurrentLayer,
        decoder: RecurrentLayer,
        size: WindowSize,
        *,
        season: int = 1,
        loss: str = "quantile",
        levels: Sequence[float] = (0.1, 0.5, 0.9),
        normalisation: str = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(size, loss=loss, levels=levels, normalisation=normalisation)
        found = encoder.input_size, decoder.input_size
        if encoder.bidirectional or decoder.bidirectional or found != direct_input_sizes(size):
            raise SettingsError(
                "encoder and decoder must read one way, "
                f"{' and '.join(map(str, direct_input_sizes(size)))} features; they read "
                f"{' and '.join(map(str, found))}"
            )
        self.encoder, self.decoder, self.season = encoder, decoder, season
        self.attention = Attention(ScaledDotScore(decoder.output_size, encoder.output_size))
        width = decoder.output_size
        self.combine = nn.Linear(encoder.output_size + width, width)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(width, size.targets * (1 + len(self.levels)))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def expect(self, values: Tensor, seen: Tensor, covariates: Tensor, ahead: Tensor) -> Tensor:
        """See `WindowedForecaster`."""
        flags = seen.to(values.dtype)
        keys, state = self.encoder(torch.cat([values, flags, covariates], 2))
        lag, lag_seen = self._last_season(values), self._last_season(flags)
        steps = torch.arange(1, self.size.horizon + 1, device=values.device) / self.size.horizon
        place = steps.to(values.dtype).view(1, -1, 1).expand(len(values), -1, -1)
        states, _ = self.decoder(torch.cat([lag, lag_seen, ahead, place], 2), state)
        looked = self.attention.look(states, self.attention.prepare(keys, keys), need_weights=False)
        features = torch.tanh(self.combine(torch.cat([looked.context, states], 2)))
        raw = self.output(self.dropout(features)).unflatten(2, (self.size.targets, -1))
        share = torch.sigmoid(raw[..., :1]) * lag_seen.unsqueeze(3)
        moved = share * lag.unsqueeze(3)
        return self._moved(raw[..., 1:], moved)

    def _moved(self, raw: Tensor, by: Tensor) -> Tensor:
        """The one number of a step that is a level, moved; those beside it are distances."""
        middle = min(range(len(self.levels)), key=lambda place: abs(self.levels[place] - 0.5))
        here = torch.zeros(len(self.levels), dtype=raw.dtype, device=raw.device)
        here[middle] = 1
        return raw + by * here

    def _last_season(self, window: Tensor) -> Tensor:
        """The last season of a window repeated over the horizon; 0 where it reaches further back.

        (batch, history, targets) to (batch, horizon, targets).
        """
        history, horizon = window.shape[1], self.size.horizon
        places = history - self.season + torch.arange(horizon, device=window.device) % self.season
        found = window[:, places.clamp(min=0)]
        return torch.where((places >= 0).view(1, -1, 1), found, 0.0)


def direct_input_sizes(size: WindowSize) -> tuple[int, int]:
    """Features that the encoder and the decoder read."""
    encoder = 2 * size.targets + size.covariates
    return encoder, encoder + 1
