import pytest

from ostinato.data.text_sources import find_sources
from ostinato.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """b.txt, a.txt, sub/c.txt with text; an empty and a hidden file beside them."""
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("b.txt", "a.txt", "sub/c.txt", ".secret", ".hidden/d.txt"):
        (folder / name).write_text(name)
    (folder / "empty.txt").write_text("")
    return folder


def names(sources, folder):
    return [str(source.path.relative_to(folder)) for source in sources]


def test_folder_gives_all_files_sorted_without_hidden_and_empty_ones(folder, tmp_path):
    assert names(find_sources(folder, tmp_path), folder) == ["a.txt", "b.txt", "sub/c.txt"]


def test_glob_is_sorted_and_may_go_through_folders(folder, tmp_path):
    assert names(find_sources(f"{folder}/*.txt", tmp_path), folder) == ["a.txt", "b.txt"]
    deep = find_sources(f"{folder}/**/*.txt", tmp_path)
    assert names(deep, folder) == ["a.txt", "b.txt", "sub/c.txt"]


def test_several_keep_the_order_named_and_each_file_comes_once(folder, tmp_path):
    sources = find_sources([folder / "b.txt", folder], tmp_path)
    assert names(sources, folder) == ["b.txt", "a.txt", "sub/c.txt"]


def test_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    path = tmp_path / "a[1].txt"
    path.write_text("text")
    assert names(find_sources(path, tmp_path), tmp_path) == ["a[1].txt"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nothing.txt", "no file or folder .*nothing.txt"),
        ("texts/*.md", "no files in .*md"),
        ("texts/empty.txt", "empty.txt is empty"),
        ("texts/empt*.txt", "every file in .* is empty"),
        ("bare", "no files in .*bare"),
    ],
)
def test_what_is_not_there_or_empty_is_refused_by_name(folder, tmp_path, named, message):
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match=message):
        find_sources(str(tmp_path / named), tmp_path)


def test_no_paths_at_all_are_refused(tmp_path):
    with pytest.raises(DataError, match="no text was given"):
        find_sources([], tmp_path)
