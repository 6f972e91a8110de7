"""Turns texts into the files of a corpus: a pass to divide, one for words, one for tokens."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from ostinato.data.documents import (
    BOUNDARY_TEXT,
    Piece,
    TextReading,
    between_words,
    document_pieces,
)
from ostinato.data.part_writer import PartTotals, write_part
from ostinato.data.splits import Selection, Split, divide, survey_documents
from ostinato.data.text_reading import (
    Content,
    Meter,
    Progress,
    content_of,
    modified_ns,
    read_text,
)
from ostinato.data.text_sources import TextSource
from ostinato.data.token_part import PartRecord
from ostinato.data.tokenisers.settings import TokeniserSettings, tokeniser_identity
from ostinato.data.tokenisers.tokeniser import Tokeniser
from ostinato.errors import DataError

CORPUS_FILE = "corpus.json"
CORPUS_FORMAT = 1
# Pairs of frequent letters are the same in an even sample, and the library keeps every word in
# memory: more than this would pass 500 MB in all.
_BPE_LEARNS_FROM_BYTES = 32_000_000


@dataclass(frozen=True)
class CorpusRequest:
    """A corpus to be made.

    Args:
        texts: The texts given for each part; those of "train" are divided by `split`.
        tokeniser: To be learnt, or given.
        split: The shares of "train" for parts without texts of their own.
        reading: How the texts are read.
        counts_ends: Whether boundaries count in the loss; None = if there are several documents to
            train on.
        progress: Is called with bytes done, bytes in all, and the work; None = nobody listens.
    """

    texts: dict[str, list[TextSource]]
    tokeniser: TokeniserSettings | Tokeniser
    split: Split
    reading: TextReading
    counts_ends: bool | None
    progress: Progress | None


def contents(request: CorpusRequest) -> dict[str, list[Content]]:
    """Reads every text once to know it again.

    Raises:
        DataError: A packed text is empty, or the same text is given for two parts.
    """
    meter = Meter(request.progress, list(chain(*request.texts.values())), "reading")
    found = {
        part: [content_of(source, meter) for source in sources]
        for part, sources in request.texts.items()
    }
    part_of: dict[str, str] = {}
    for part, sources in request.texts.items():
        for source, content in zip(sources, found[part], strict=True):
            if content.size == 0:
                raise DataError(f"{source.name} is empty once unpacked: there is no text to read")
            other = part_of.setdefault(content.sha256, part)
            if other != part:
                raise DataError(
                    f"{source.name} is given for {part}, but the same text is also given for "
                    f"{other}; a part must not hold what another is judged by"
                )
    return found


def fingerprint(request: CorpusRequest, found: dict[str, list[Content]]) -> str:
    """SHA-256 of contents and of all settings that the tokens depend on; names do not matter."""
    identity = {
        "format": CORPUS_FORMAT,
        "texts": {part: [content.sha256 for content in found[part]] for part in sorted(found)},
        "tokeniser": tokeniser_identity(request.tokeniser),
        "split": dataclasses.asdict(request.split) if request.split.divides else None,
        "reading": dataclasses.asdict(request.reading),
        "counts_ends": request.counts_ends,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def build_corpus(request: CorpusRequest, found: dict[str, list[Content]], folder: Path) -> None:
    """Writes the corpus into an existing, empty folder, using a file beside it while at work.

    Raises:
        DataError: Text that cannot be read, divided, or that holds no tokens, or that changed
            meanwhile.
    """
    selections = _selections(request, folder.with_suffix(".checksums"))
    tokeniser = _tokeniser(request, found, selections.get("train"))
    names = [name for name in ("train", "validation", "test", "text") if name in selections]
    totals = {name: _write(request, name, selections[name], tokeniser, folder) for name in names}
    counts_ends = request.counts_ends
    if counts_ends is None:
        counts_ends = totals[names[0]].documents > 1
    boundary = len(BOUNDARY_TEXT[request.reading.document]) if counts_ends else 0
    records = {
        name: dataclasses.asdict(_record(part, tokeniser, counts_ends, boundary))
        for name, part in totals.items()
    }
    _refuse_changes(request, found)
    tokeniser.save(folder)
    _write_json(folder / CORPUS_FILE, {"format": CORPUS_FORMAT, "parts": records})


def _selections(request: CorpusRequest, checksums: Path) -> dict[str, Selection]:
    """How each part is taken: out of its own texts, or out of its share of the training texts."""
    selections: dict[str, Selection] = {name: _everything for name in request.texts}
    if not request.split.divides:
        return selections
    train = request.texts["train"]
    survey = survey_documents(_pieces(request, train, "dividing"), checksums)
    if not survey.documents:
        raise DataError(f"{_named(train)}: there is no text but white space")
    again = partial(_pieces, request, train, "dividing")
    return selections | divide(survey, request.split, again, request.tokeniser.cuts_anywhere)


def _tokeniser(
    request: CorpusRequest, found: dict[str, list[Content]], selection: Selection | None
) -> Tokeniser:
    if isinstance(request.tokeniser, Tokeniser):
        return request.tokeniser
    assert selection is not None, "a tokeniser is learnt from a training part"
    pieces = selection(_pieces(request, request.texts["train"], "learning the vocabulary"))
    batches = (piece.texts for piece in _cut(pieces, request.tokeniser.cuts_anywhere))
    if request.tokeniser.kind == "bpe":
        size = sum(content.size for content in found["train"])
        batches = _thinned(batches, -(-size // _BPE_LEARNS_FROM_BYTES))
    return request.tokeniser.learn(batches)


def _write(
    request: CorpusRequest, name: str, selection: Selection, tokeniser: Tokeniser, folder: Path
) -> PartTotals:
    sources = request.texts.get(name, request.texts.get("train", []))
    pieces = _cut(
        selection(_pieces(request, sources, f"tokenising {name}")), tokeniser.cuts_anywhere
    )
    totals = write_part(pieces, tokeniser, folder, name)
    if totals.tokens == totals.documents + 1:
        raise DataError(f"{_named(sources)}: the {name} part holds no tokens, only white space")
    return totals


def _pieces(request: CorpusRequest, sources: Sequence[TextSource], what: str) -> Iterator[Piece]:
    """The documents of all sources, read anew."""
    meter = Meter(request.progress, sources, what)
    for source in sources:
        chunks = read_text(source, request.reading.replace_bad_bytes, meter)
        yield from document_pieces(chunks, request.reading.document)


def _everything(pieces: Iterable[Piece]) -> Iterator[Piece]:
    yield from pieces


def _cut(pieces: Iterable[Piece], cuts_anywhere: bool) -> Iterable[Piece]:
    return pieces if cuts_anywhere else between_words(pieces)


def _thinned(batches: Iterable[list[str]], every: int) -> Iterator[list[str]]:
    """One batch of `every`."""
    for place, batch in enumerate(batches):
        if place % every == 0:
            yield batch


def _record(
    totals: PartTotals, tokeniser: Tokeniser, counts_ends: bool, boundary: int
) -> PartRecord:
    """`boundary` is how many characters (of one byte each) every counted boundary stands for."""
    return PartRecord(
        tokens=totals.tokens,
        documents=totals.documents,
        characters=totals.characters + totals.documents * boundary,
        bytes=totals.bytes + totals.documents * boundary,
        unknown_tokens=totals.unknown_tokens,
        dtype=tokeniser.dtype.name,
        end_index=tokeniser.end_index,
        counts_ends=counts_ends,
    )


def _refuse_changes(request: CorpusRequest, found: dict[str, list[Content]]) -> None:
    """A file written to while it is read would leave tokens under another text's name."""
    for part, sources in request.texts.items():
        for source, content in zip(sources, found[part], strict=True):
            if modified_ns(source) != content.modified_ns:
                raise DataError(
                    f"{source.name} changed while it was read; start again when it is complete"
                )


def _named(sources: Sequence[TextSource]) -> str:
    names = [source.name for source in sources[:3]]
    return ", ".join(names) + (f" and {len(sources) - 3} more" if len(sources) > 3 else "")


def _write_json(path: Path, content: dict[str, object]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
