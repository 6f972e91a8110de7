import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data import TextReading
from ostinato.data.documents import between_words, document_pieces
from ostinato.errors import SettingsError

texts = st.text("ab \n\r\t", max_size=60)
cuts = st.lists(st.integers(0, 60), max_size=8)


def chunks_of(text, cuts):
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[start:stop] for start, stop in pairwise(places)]


def documents_of(pieces):
    """The texts of the documents, put together again."""
    documents, waiting = [], ""
    for texts, closed in pieces:
        *whole, last = texts
        for text in whole:
            documents.append(waiting + text)
            waiting = ""
        waiting += last
        documents += [waiting] * closed
        waiting = waiting * (not closed)
    assert waiting == ""
    return documents


@given(texts, cuts)
def test_a_file_is_one_document_with_all_its_text(text, cuts):
    assert documents_of(document_pieces(chunks_of(text, cuts), "file")) == [text]


@given(texts, cuts)
def test_lines_are_documents_and_blank_ones_are_none(text, cuts):
    expected = [line for line in re.split(r"\r*\n|\r+\Z", text) if line.strip()]
    found = documents_of(document_pieces(chunks_of(text, cuts), "line"))
    assert [line.rstrip("\r") for line in found] == [line.rstrip("\r") for line in expected]


@given(texts, cuts)
def test_paragraphs_do_not_depend_on_how_the_text_comes(text, cuts):
    found = documents_of(document_pieces(chunks_of(text, cuts), "paragraph"))
    assert found == documents_of(document_pieces([text], "paragraph"))
    assert "".join("".join(found).split()) == "".join(text.split())


def test_paragraphs_end_at_blank_lines_and_keep_their_indentation():
    text = "\n\none\ntwo\n \t\n\n  three\n\nfour\n\n\n"
    found = documents_of(document_pieces([text], "paragraph"))
    assert found == ["one\ntwo", "  three", "four"]


@settings(max_examples=30)
@given(st.lists(st.text("ab ", min_size=1, max_size=30), min_size=1, max_size=5), cuts)
def test_very_long_documents_come_in_parts_that_belong_together(lines, cuts):
    lines = [line + "x" for line in lines]
    text = "\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ostinato.data.documents._LONG_DOCUMENT", 4)
        found = documents_of(document_pieces(chunks_of(text, cuts), "line"))
    assert found == lines


@given(texts, cuts)
def test_cuts_between_words_leave_text_and_documents_as_they_are(text, cuts):
    pieces = document_pieces(chunks_of(text, cuts), "file")
    assert documents_of(between_words(pieces)) == [text]


def test_unknown_kind_of_document_is_refused():
    with pytest.raises(SettingsError, match="not 'chapter'"):
        TextReading(document="chapter")  # type: ignore[arg-type]
