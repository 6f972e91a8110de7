"""A tokeniser from its JSON file."""

import json
from pathlib import Path

from ostinato.data.tokenisers.bpe import BPETokeniser
from ostinato.data.tokenisers.bytes import ByteTokeniser
from ostinato.data.tokenisers.characters import CharacterTokeniser
from ostinato.data.tokenisers.tokeniser import FILE_NAME, FORMAT, Tokeniser
from ostinato.data.tokenisers.words import WordTokeniser
from ostinato.errors import DataError

_CLASSES: dict[str, type[Tokeniser]] = {
    tokeniser.kind: tokeniser
    for tokeniser in (CharacterTokeniser, ByteTokeniser, WordTokeniser, BPETokeniser)
}


def load_tokeniser(folder: str | Path) -> Tokeniser:
    """The tokeniser saved in `folder`.

    Raises:
        DataError: No `tokeniser.json` there, or one that this version cannot read.
    """
    path = Path(folder) / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"no tokeniser in {path.parent}: {path} does not exist") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path} is not a tokeniser of format {FORMAT}, as this version reads")
    kind = content.pop("kind", None)
    del content["format"]
    if kind not in _CLASSES:
        raise DataError(f"{path} has kind {kind!r}; known are {', '.join(_CLASSES)}")
    try:
        return _CLASSES[kind].from_json(content)
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error!r}") from error
