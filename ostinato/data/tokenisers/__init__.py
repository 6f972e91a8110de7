"""Text to indices and back: characters, bytes, words, and pieces of words (BPE)."""

from ostinato.data.tokenisers.bpe import BPETokeniser
from ostinato.data.tokenisers.bytes import ByteTokeniser
from ostinato.data.tokenisers.characters import CharacterTokeniser
from ostinato.data.tokenisers.loading import load_tokeniser
from ostinato.data.tokenisers.settings import TokeniserSettings
from ostinato.data.tokenisers.tokeniser import StreamDecoder, Tokeniser
from ostinato.data.tokenisers.words import WordTokeniser

__all__ = [
    "BPETokeniser",
    "ByteTokeniser",
    "CharacterTokeniser",
    "StreamDecoder",
    "Tokeniser",
    "TokeniserSettings",
    "WordTokeniser",
    "load_tokeniser",
]
