"""Figures of a model as a person reads them."""

from collections.abc import Mapping

_WORDS = {
    "bits_per_character": ("{} bits per character", 3),
    "bits_per_byte": ("{} bits per byte", 3),
    "bits_per_token": ("{} bits per token", 3),
    "nats_per_token": ("{} nats per token", 3),
    "nats_per_sample": ("{} nats per sample", 3),
    "perplexity": ("perplexity {}", 2),
}
_SHARES = {
    "span_f1": "span F1 {:.2%}",
    "span_precision": "precision {:.2%}",
    "span_recall": "recall {:.2%}",
    "accuracy": "accuracy {:.1%}",
    "balanced_accuracy": "balanced {:.1%}",
    "exact_match": "exactly right {:.1%}",
    "micro_f1": "micro F1 {:.1%}",
    "macro_f1": "macro F1 {:.1%}",
    "calibration_error": "calibration error {:.1%}",
    "area": "area {:.1%} of the exact",
    "coverage": "{:.1%} of the exact triangles",
    "in_place": "{:.1%} of the places right",
    "optimality_gap": "{:.2%} from the best known",
    "valid": "{:.1%} valid",
}
_TOO_LONG = 1e7


def describe_figures(figures: Mapping[str, float]) -> str:
    """`1.234 bits per character, ...`: each figure that there is, once.

    Where a token is a character or a byte, the two say the same, and one is told. Unknown tokens
    are told because they make the figures look better than they are.
    """
    told: dict[str, str] = {}
    for name, (words, places) in _WORDS.items():
        if name in figures:
            told.setdefault(f"{figures[name]:.9g}", words.format(decimal(figures[name], places)))
    if "length" in figures:
        told["length"] = f"mean length {length(figures['length'])}"
    told |= {
        name: words.format(figures[name])
        for name, words in _SHARES.items()
        if figures.get(name) is not None
    }
    if figures.get("unknown_share"):
        told["unknown"] = f"{figures['unknown_share']:.2%} of the tokens unknown"
    return ", ".join(told.values())


def length(value: float) -> str:
    """`3.048`, or `10,628` where a decimal says nothing."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def decimal(value: float, places: int) -> str:
    """`1.772` with so many places; what is too long for that, as `1.96e+31`."""
    return f"{value:.{places}f}" if abs(value) < _TOO_LONG else f"{value:.3g}"


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
