"""Files of labelled sentences: what is read, and what is refused with file and line."""

import gzip
from pathlib import Path

import pytest

from ostinato.data.tagging.formats import Layout, layout_of
from ostinato.data.tagging.reading import read_tagged, sentences_of
from ostinato.data.tagging.running_text import sentences_of_text
from ostinato.data.tagging.sentences import Sentence
from ostinato.errors import DataError, SettingsError

CONLLU = """# sent_id = 1
# text = We don't.
1	We	we	PRON	PRP	_	2	nsubj	_	_
2-3	don't	_	_	_	_	_	_	_	_
2	do	do	AUX	VBP	_	0	root	_	_
3	n't	not	PART	RB	_	2	advmod	_	_
3.1	go	go	VERB	VB	_	_	_	_	_
4	.	.	PUNCT	.	_	2	punct	_	_

# sent_id = 2
1	New York	New York	PROPN	NNP	_	0	root	_	_
"""
CHUNKS = "He PRP B-NP\n# # B-NP\n1.8 CD I-NP\n\n\n  \n. . O\n"
ENTITIES = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP I-ORG\nrejects VBZ B-VP O\n"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def read(path: Path, **options: object) -> list[Sentence]:
    return read_tagged(path, layout_of(path, **options)).sentences


def test_conllu_gives_words_and_parts_of_speech_and_their_lines(tmp_path: Path) -> None:
    first, second = read(write(tmp_path, "a.conllu", CONLLU))
    assert first.tokens == ("We", "do", "n't", ".")
    assert first.labels == ("PRON", "AUX", "PART", "PUNCT")
    assert (first.lines, second.line) == ((3, 5, 6, 8), 11)
    assert second.tokens == ("New York",)


@pytest.mark.parametrize("column", ["xpos", "XPOS", "5"])
def test_another_column_of_conllu_by_name_or_number(tmp_path: Path, column: str) -> None:
    first, _ = read(write(tmp_path, "a.conllu", CONLLU), label_column=column)
    assert first.labels == ("PRP", "VBP", "RB", ".")


def test_columns_have_tokens_first_and_labels_last(tmp_path: Path) -> None:
    first, second = read(write(tmp_path, "train.txt", CHUNKS), format="columns")
    assert first == Sentence(("He", "#", "1.8"), ("B-NP", "B-NP", "I-NP"), (1, 2, 3))
    assert second == Sentence((".",), ("O",), (7,))
    first, _ = read(write(tmp_path, "train.conll", CHUNKS), label_column="2")
    assert first.labels == ("PRP", "#", "CD")


def test_marks_of_documents_are_no_tokens(tmp_path: Path) -> None:
    (only,) = read(write(tmp_path, "a.conll", ENTITIES))
    assert (only.tokens, only.labels) == (("EU", "rejects"), ("I-ORG", "O"))


def test_tables_windows_lines_byte_order_marks_and_gzip(tmp_path: Path) -> None:
    plain = "\ufeffNew York\tLOC\r\nis\tO\r\n\r\nok\tO\r\n"
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(plain.encode()))
    assert [one.tokens for one in read(path)] == [("New York", "is"), ("ok",)]


def test_sentences_come_as_soon_as_they_are_whole() -> None:
    def lines() -> object:
        yield from ("a\tX", "", "b\tY")
        raise AssertionError("read on too far")

    sentences = sentences_of(lines(), "here", Layout("tsv", 1, None))
    assert next(sentences).tokens == ("a",)


def test_tokens_alone_need_no_labels() -> None:
    found = list(
        sentences_of(["a", "b\tX", "", "c"], "here", Layout("tsv", 1, None), labelled=False)
    )
    assert [one.tokens for one in found] == [("a", "b"), ("c",)]
    assert [one.labels for one in found] == [(), ()]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.conllu", "1\tWe\tPRON\n", "a.conllu, line 1 has 3 columns, and CoNLL-U has 10"),
        ("a.conllu", CONLLU.replace("4\t.", "x\t.", 1), "line 8 begins with 'x', which is no"),
        ("a.tsv", "Token\tLabel\na\tB\n", "a.tsv, line 1 seems to name the columns .Token, Label"),
        ("a.conll", "a B\nb B C\n", r"a.conll, line 2 has 3 columns, but \S*a.conll, line 1 has 2"),
        ("a.conll", "a B\nb\n", "line 2 has 1 column, and at least 2 are needed"),
        ("a.tsv", "a B\n", "line 1 has 1 column, .* with a tab between them"),
        ("a.tsv", "a\tB\nb\t\n", "a.tsv, line 2 has an empty label"),
        ("a.tsv", "a\tB\n \tB\n", "a.tsv, line 2 has an empty token"),
        ("a.tsv", "", "a.tsv is empty"),
        ("a.tsv", "\n\n", "a.tsv holds no sentence"),
        ("a.conllu", "# only\n", "a.conllu holds no sentence"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, name, text))


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"a\tX\nM\xfcller\tX\n")
    with pytest.raises(DataError, match=r"a.tsv, line 2 is not UTF-8: byte 0xfc at place 2"):
        read(path)


def test_files_that_are_not_there_and_unknown_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read(tmp_path / "none.tsv")
    with pytest.raises(DataError, match="no ending that tells its format"):
        layout_of(tmp_path / "train.txt")


def test_columns_that_cannot_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="one of CoNLL-U's"):
        layout_of(Path("a.conllu"), label_column="pos")
    with pytest.raises(SettingsError, match="names are for CoNLL-U files"):
        layout_of(Path("a.tsv"), label_column="upos")


def test_running_text_is_cut_into_words_and_marks() -> None:
    found = list(sentences_of_text(["  ", "Mr. O'Neill paid $3.50 (e-mail)...", "—«Да»?!"]))
    assert found[0].tokens == ("Mr", ".", "O'Neill", "paid", "$", "3.50", "(", "e-mail", ")", "...")
    assert found[0].line == 2
    assert found[1].tokens == ("—", "«", "Да", "»", "?", "!")


def test_tokens_between_white_space_stay_as_they_are() -> None:
    (only,) = sentences_of_text(["do n't , Mr."], pretokenised=True)
    assert only.tokens == ("do", "n't", ",", "Mr.")
