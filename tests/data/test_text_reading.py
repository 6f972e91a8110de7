import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostinato.data.text_reading import Meter, content_of, read_text
from ostinato.data.text_sources import TextSource
from ostinato.errors import DataError


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("reading")


def source_of(folder, content, name="text.txt"):
    path = folder / name
    path.write_bytes(content)
    return TextSource(name, path)


def whole(source, replace_bad_bytes=False):
    return "".join(read_text(source, replace_bad_bytes, Meter(None, [source], "reading")))


@pytest.fixture(scope="session")
def always_small_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ostinato.data.text_reading._CHUNK_BYTES", 5)
        yield


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_text_in_small_pieces_is_the_text(scratch, always_small_chunks, text):
    assert whole(source_of(scratch, text.encode())) == text.removeprefix("\ufeff")


@settings(max_examples=50, deadline=None)
@given(text=st.text("aé€😀", max_size=12), rest=st.text("aé€😀", max_size=12))
def test_bad_byte_is_named_with_file_and_offset(scratch, always_small_chunks, text, rest):
    offset = len(text.encode())
    source = source_of(scratch, text.encode() + b"\xff" + rest.encode())
    with pytest.raises(DataError, match=rf"text.txt is not UTF-8: byte 0xff at offset {offset} "):
        whole(source)


def test_error_says_how_to_replace_bad_bytes(scratch):
    with pytest.raises(DataError, match="--replace-bad-bytes"):
        whole(source_of(scratch, b"abc\xe9def"))


def test_bad_bytes_are_replaced_on_request(scratch):
    assert whole(source_of(scratch, b"abc\xe9def"), replace_bad_bytes=True) == "abc\ufffddef"


def test_character_cut_off_by_the_end_of_the_file_is_a_bad_byte(scratch):
    with pytest.raises(DataError, match="byte 0xe2 at offset 3"):
        whole(source_of(scratch, b"abc\xe2\x82"))


def test_line_ends_are_kept_as_they_are(scratch):
    assert whole(source_of(scratch, b"a\r\nb\nc\r")) == "a\r\nb\nc\r"


def test_byte_order_mark_is_no_text(scratch):
    assert whole(source_of(scratch, b"\xef\xbb\xbfabc")) == "abc"


def test_gzip_reads_as_plain_whatever_its_name(scratch):
    plain = source_of(scratch, "häuser\n".encode())
    packed = source_of(scratch, gzip.compress("häuser\n".encode()), "packed.txt")
    assert whole(packed) == whole(plain)
    meter = Meter(None, [], "reading")
    assert content_of(packed, meter)[:2] == content_of(plain, meter)[:2]


def test_offset_in_gzip_is_that_of_the_unpacked_text(scratch):
    with pytest.raises(DataError, match="at offset 2000"):
        whole(source_of(scratch, gzip.compress(b"a" * 2000 + b"\xff"), "packed.gz"))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-20], lambda packed: packed[:40] + b"x"])
def test_damaged_gzip_is_named(scratch, damage):
    packed = gzip.compress(bytes(range(97, 120)) * 50, mtime=0)
    with pytest.raises(DataError, match=r"packed\.gz is damaged or cut-off gzip"):
        whole(source_of(scratch, damage(packed), "packed.gz"))


def test_meter_ends_at_the_size_on_disk(scratch):
    source = source_of(scratch, gzip.compress(b"some text" * 1000), "packed.gz")
    seen = []
    meter = Meter(lambda *progress: seen.append(progress), [source], "reading")
    content_of(source, meter)
    size = source.path.stat().st_size
    assert seen[-1] == (size, size, "reading")
