"""Figures of a model as a person reads them."""

from collections.abc import Mapping

_WORDS = {
    "bits_per_character": "{:.3f} bits per character",
    "bits_per_byte": "{:.3f} bits per byte",
    "bits_per_token": "{:.3f} bits per token",
    "nats_per_token": "{:.3f} nats per token",
    "perplexity": "perplexity {:.2f}",
}


def describe_figures(figures: Mapping[str, float]) -> str:
    """`1.234 bits per character, ...`: each figure that there is, once.

    Where a token is a character or a byte, the two say the same, and one is told. Unknown tokens
    are told because they make the figures look better than they are.
    """
    told: dict[str, str] = {}
    for name, words in _WORDS.items():
        if name in figures:
            told.setdefault(f"{figures[name]:.9g}", words.format(figures[name]))
    if figures.get("unknown_share"):
        told["unknown"] = f"{figures['unknown_share']:.2%} of the tokens unknown"
    return ", ".join(told.values())


def duration(seconds: float) -> str:
    """`1:02:03`, or `2:03` under an hour."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours}:{minutes:02d}:{whole % 60:02d}"
    return f"{minutes}:{whole % 60:02d}"


def size(byte_count: float) -> str:
    """`12.3 MB`, in powers of 1000."""
    value, units = float(byte_count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
