"""Nothing is replaced but what an earlier run wrote, no two inputs share an output, and every file is whole."""

from pathlib import Path

import pytest

from yolo_attn.detection.output_folder import ANY_FRAME, JOURNAL, OutputFolder

A = Path("source/a.jpg")


def write(folder: OutputFolder, name: str, text: str) -> None:
    with folder.draft(name) as draft:
        draft.write_text(text)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_later_run_may_replace_what_an_earlier_one_wrote(tmp_path):
    folder = OutputFolder(tmp_path / "new" / "out")
    folder.require_free([("a.txt", A)])
    assert not (tmp_path / "new").exists()  # a check writes nothing
    write(folder, "a.txt", "first")
    for text in ("second", "third", "second"):
        folder = OutputFolder(folder.path)
        folder.require_free([("a.txt", A)])
        write(folder, "a.txt", text)
        assert (folder.path / "a.txt").read_text() == text
    assert names(folder.path) == {"a.txt", JOURNAL}


@pytest.mark.parametrize("name", ["a.txt", "A.TXT"])
def test_a_file_that_no_run_wrote_is_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("by hand")
    with pytest.raises(FileExistsError, match=rf"{name} was not written by an earlier run"):
        OutputFolder(tmp_path).require_free([("a.txt", A)])


def test_a_file_that_was_changed_since_is_not_replaced(tmp_path):
    write(OutputFolder(tmp_path), "a.txt", "a label")
    (tmp_path / "a.txt").write_text("a label, corrected by hand")
    with pytest.raises(FileExistsError, match=r"a\.txt was not written by an earlier run, or was changed since"):
        OutputFolder(tmp_path).require_free([("a.txt", A)])


def test_a_folder_where_a_file_belongs_is_named(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(FileExistsError, match=r"a\.txt was not written by an earlier run"):
        OutputFolder(tmp_path).require_free([("a.txt", A)])


def test_an_input_is_not_replaced_even_if_an_earlier_run_wrote_it(tmp_path):
    write(OutputFolder(tmp_path), "a.jpg", "drawn")
    with pytest.raises(FileExistsError, match=r"a\.jpg is itself an input"):
        OutputFolder(tmp_path).require_free([("a.jpg", tmp_path / "a.jpg")])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a.mp4", Path("a.avi")), ("a.mp4", Path("a.mp4"))),
        (("a.txt", Path("a.jpg")), ("A.txt", Path("A.png"))),
        ((f"a{ANY_FRAME}", Path("a.avi")), (f"a{ANY_FRAME}", Path("a.mp4"))),
        ((f"a{ANY_FRAME}", Path("a.avi")), ("a_0000033.txt", Path("a_0000033.jpg"))),
    ],
)
def test_two_inputs_do_not_share_an_output(tmp_path, first, second):
    either_order = f"({first[1]} and {second[1]}|{second[1]} and {first[1]})"
    for outputs in ([first, second], [second, first]):
        with pytest.raises(FileExistsError, match=f"{either_order} would both become") as error:
            OutputFolder(tmp_path).require_free(outputs)
        assert str(error.value).count("would both become") == 1


def test_names_that_only_look_alike_are_no_clash(tmp_path):
    for name in ("a_1.txt", "ab_0000001.txt", "a_0000001.txt.bak", "a.txt"):
        (tmp_path / name).touch()
    series = (f"a{ANY_FRAME}", Path("a.avi"))
    OutputFolder(tmp_path).require_free([series, ("b.txt", Path("b.jpg")), ("detections.json", None)])
    (tmp_path / "a_0000099.txt").touch()
    with pytest.raises(FileExistsError, match=r"a_0000099\.txt was not"):
        OutputFolder(tmp_path).require_free([series])


def test_a_message_names_the_first_clashes_and_counts_the_others(tmp_path):
    outputs = [(f"{number}.txt", Path(f"{number}.jpg")) for number in range(9)]
    for name, _ in outputs:
        (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match=r"/0\.txt was .*/4\.txt was .*; and 4 more\. Nothing was written"):
        OutputFolder(tmp_path).require_free(outputs)


def test_an_error_leaves_the_file_before_and_no_draft(tmp_path):
    folder = OutputFolder(tmp_path)
    write(folder, "a.txt", "before")
    with pytest.raises(KeyboardInterrupt), folder.draft("a.txt") as draft:
        draft.write_text("half of")
        raise KeyboardInterrupt
    assert (tmp_path / "a.txt").read_text() == "before"
    assert names(tmp_path) == {"a.txt", JOURNAL}


@pytest.mark.parametrize("content", [b"", b"{}\n", b"my own file", b"\xff"])
def test_a_journal_that_is_damaged_or_somebody_elses_is_named(tmp_path, content):
    (tmp_path / JOURNAL).write_bytes(content)
    with pytest.raises(FileExistsError, match=rf"{JOURNAL}: damaged, or no journal"):
        OutputFolder(tmp_path)
    assert (tmp_path / JOURNAL).read_bytes() == content


def test_a_line_of_the_journal_that_a_full_disk_cut_costs_that_file_only(tmp_path):
    write(OutputFolder(tmp_path), "a.txt", "a")
    write(OutputFolder(tmp_path), "b.txt", "b")
    (tmp_path / JOURNAL).write_bytes((tmp_path / JOURNAL).read_bytes()[:-5])
    folder = OutputFolder(tmp_path)
    write(folder, "c.txt", "c")
    folder = OutputFolder(tmp_path)
    folder.require_free([("a.txt", A), ("c.txt", Path("c.jpg"))])
    with pytest.raises(FileExistsError, match=r"b\.txt was not written"):
        folder.require_free([("b.txt", Path("b.jpg"))])


def test_a_file_where_the_folder_belongs_is_named(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(FileExistsError, match="out: is a file; name a folder"):
        OutputFolder(tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as error:
        write(OutputFolder(tmp_path / "file" / "out"), "a.txt", "text")
    assert error.value.filename == str(tmp_path / "file" / "out")
