"""Files to batches: text, tokenisers, and the windows that a model trains on.

Every name is imported when it is first used, so that settings do not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ostinato.data.corpus import Corpus, open_corpus, prepare_corpus, prepare_part
    from ostinato.data.documents import DocumentKind, TextReading
    from ostinato.data.evaluation_windows import EvaluationWindows
    from ostinato.data.line_codec import LineCodec, learn_codec
    from ostinato.data.pair_batches import BatchLimits, PairBatches
    from ostinato.data.pair_layout import PairLayout
    from ostinato.data.pair_part import PairCodec, PairPart, encode_pairs
    from ostinato.data.pair_reading import Pairs, read_pairs
    from ostinato.data.pair_window import PairWindow, join_pairs
    from ostinato.data.splits import Split
    from ostinato.data.tagging.batches import TagBatches, TagWindow
    from ostinato.data.tagging.codec import TagCodec, learn_tag_codec
    from ostinato.data.tagging.part import TaggedPart, encode_tagged
    from ostinato.data.tagging.sentences import Sentence, TaggedText
    from ostinato.data.text_reading import Progress
    from ostinato.data.text_sources import TextPaths
    from ostinato.data.token_part import TokenPart
    from ostinato.data.token_windows import TokenWindows
    from ostinato.data.tokenisers import (
        BPETokeniser,
        ByteTokeniser,
        CharacterTokeniser,
        StreamDecoder,
        Tokeniser,
        TokeniserSettings,
        WordTokeniser,
        load_tokeniser,
    )
    from ostinato.data.window import Window

__all__ = [
    "BPETokeniser",
    "BatchLimits",
    "ByteTokeniser",
    "CharacterTokeniser",
    "Corpus",
    "DocumentKind",
    "EvaluationWindows",
    "LineCodec",
    "PairBatches",
    "PairCodec",
    "PairLayout",
    "PairPart",
    "PairWindow",
    "Pairs",
    "Progress",
    "Sentence",
    "Split",
    "StreamDecoder",
    "TagBatches",
    "TagCodec",
    "TagWindow",
    "TaggedPart",
    "TaggedText",
    "TextPaths",
    "TextReading",
    "TokenPart",
    "TokenWindows",
    "Tokeniser",
    "TokeniserSettings",
    "Window",
    "WordTokeniser",
    "encode_pairs",
    "encode_tagged",
    "join_pairs",
    "learn_codec",
    "learn_tag_codec",
    "load_tokeniser",
    "open_corpus",
    "prepare_corpus",
    "prepare_part",
    "read_pairs",
]

_HOMES = {
    "corpus": ("Corpus", "open_corpus", "prepare_corpus", "prepare_part"),
    "documents": ("DocumentKind", "TextReading"),
    "evaluation_windows": ("EvaluationWindows",),
    "line_codec": ("LineCodec", "learn_codec"),
    "pair_batches": ("BatchLimits", "PairBatches"),
    "pair_layout": ("PairLayout",),
    "pair_part": ("PairCodec", "PairPart", "encode_pairs"),
    "pair_reading": ("Pairs", "read_pairs"),
    "pair_window": ("PairWindow", "join_pairs"),
    "splits": ("Split",),
    "tagging.batches": ("TagBatches", "TagWindow"),
    "tagging.codec": ("TagCodec", "learn_tag_codec"),
    "tagging.part": ("TaggedPart", "encode_tagged"),
    "tagging.sentences": ("Sentence", "TaggedText"),
    "text_reading": ("Progress",),
    "text_sources": ("TextPaths",),
    "token_part": ("TokenPart",),
    "token_windows": ("TokenWindows",),
    "tokenisers": (
        "BPETokeniser",
        "ByteTokeniser",
        "CharacterTokeniser",
        "StreamDecoder",
        "Tokeniser",
        "TokeniserSettings",
        "WordTokeniser",
        "load_tokeniser",
    ),
    "window": ("Window",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'ostinato.data' has no attribute {name!r}")
    return getattr(import_module(f"ostinato.data.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
