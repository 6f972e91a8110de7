"""Coverage: how much of each source position was attended to so far (Tu 2016, See 2017)."""

from dataclasses import dataclass

from ostinato.errors import SettingsError


@dataclass(frozen=True)
class Coverage:
    """What was attended to is remembered, read by the score, and attending again costs.

        C_{t+1,s} = C_{t,s} + weights_{t,s} / fertility_s
        penalty_t = sum_s min(weights_{t,s}, C_{t,s})

    Args:
        penalty: how much the penalty counts in the loss, in nats. 0: not at all (Tu 2016).
        fertility: fertility_s = fertility * sigmoid(u . h_s) for the encoder's output h_s: the
            most target tokens that a source token is worth (Tu 2016, equations 8 and 9). None: 1
            for every position (See 2017).

    Raises:
        SettingsError: a negative penalty, or a fertility that is not above 0.

    Source: See, Liu and Manning 2017, equations 10 to 13; Tu et al. 2016, section 3.1.1.
    """

    penalty: float = 1.0
    fertility: float | None = None

    def __post_init__(self) -> None:
        if self.penalty < 0:
            raise SettingsError(f"the coverage penalty must be at least 0, got {self.penalty}")
        if self.fertility is not None and not self.fertility > 0:
            raise SettingsError(f"fertility must be above 0 or None, got {self.fertility}")
