"""Layers written into the blocks of a model YAML, and taken out again to the byte."""

from pathlib import Path

import pytest
import ultralytics

from yolo_attn.checking.check import check
from yolo_attn.model_yaml import edit, places, rows
from yolo_attn.model_yaml.control import control, has_attention
from yolo_attn.model_yaml.inner_layers import Block, InnerCall, read
from yolo_attn.model_yaml.inside import insert_inside, without_inner_layers

STOCK = Path(ultralytics.__file__).parent / "cfg" / "models"
ALL = sorted(path.relative_to(STOCK).as_posix() for path in STOCK.rglob("*.yaml"))
ROW = "nc: 3\nbackbone:\n  - [-1, 1, Conv, [64, 3, 2]]\n  {} # 1\nhead:\n  - [[1], 1, Detect, [nc]]\n"


def modules(text: str) -> list[str]:
    return [row.module for row in rows.parse(text)]


@pytest.mark.parametrize("name", ALL)
def test_every_stock_file_takes_layers_into_its_blocks_and_gives_them_back_to_the_byte(name):
    text = (STOCK / name).read_bytes().decode()
    before = rows.parse(text)
    blocks = [row for row in before[:-1] if row.block in places.BLOCKS]
    if not blocks:
        with pytest.raises(ValueError, match="this model has no all that takes a layer inside"):
            insert_inside(text, ["EMA"], ["all"])
        return
    changed = insert_inside(text, ["CBAM:16,7", "ECA"], ["all", "all@end"])
    expected = "+CBAM(16, 7)+ECA+CBAM(16, 7)@end+ECA@end"
    assert modules(changed) == [row.module + (expected if row in blocks else "") for row in before]
    assert [(row.sources, row.args, row.repeats) for row in rows.parse(changed)] == [
        (row.sources, row.args, row.repeats) for row in before
    ]
    assert edit.strip(changed) == text
    both = edit.insert_all(changed, ["SE"], ["0"])
    assert edit.strip(both) == text


@pytest.mark.parametrize(
    ("written", "layer", "expected"),
    [
        ("- [-1, 3, C3, [64]]", "EMA", "- [-1, 3, C3+EMA, [64]]"),
        ("- [-1, 3, C3, [64]]", "EMA:8", "- [-1, 3, C3+EMA(8), [64]]"),
        ("- [-1, 3, C3, [64]]", "CBAM:16,7", "- [-1, 3, 'C3+CBAM(16, 7)', [64]]"),
        ('- [-1, 3, "C3", [64]]', "EMA:8", '- [-1, 3, "C3+EMA(8)", [64]]'),
        ('- [-1, 3, "C3", [64]]', "CBAM:16,7", '- [-1, 3, "C3+CBAM(16, 7)", [64]]'),
        ("- [-1, 3, 'C3', [64]]", "EMA:8", "- [-1, 3, 'C3+EMA(8)', [64]]"),
        ("- - -1\n    - 3\n    - C3\n    - [64]", "CBAM:16,7", "- - -1\n    - 3\n    - 'C3+CBAM(16, 7)'\n    - [64]"),
    ],
)
def test_only_the_modules_name_changes(written, layer, expected):
    text = ROW.format(written)
    changed = insert_inside(text, [layer], ["C3"])
    assert changed == ROW.format(expected)
    assert without_inner_layers(changed) == text


def test_a_name_whose_quotes_could_not_be_given_back_is_refused():
    with pytest.raises(ValueError, match="cannot be edited as they are written; write one row a line"):
        insert_inside(ROW.format("- [-1, 3, 'C3', [64]]"), ["CBAM:16,7"], ["C3"])


@pytest.mark.parametrize(
    ("into", "expected"),
    [
        ("C3k2", [2, 4, 6, 8, 13, 16, 19, 22]),
        ("backbone", [2, 4, 6, 8]),
        ("neck", [13, 16, 19, 22]),
        ("all", [2, 4, 6, 8, 13, 16, 19, 22]),
        ("SPPF", [9]),
        ("4", [4]),
    ],
)
def test_blocks_are_found_by_role_name_and_index(into, expected):
    text = (STOCK / "11" / "yolo11.yaml").read_text(encoding="utf-8")
    assert places.blocks(text, into) == expected
    assert places.blocks(insert_inside(text, ["EMA"], ["all"]), into) == expected


def test_a_block_that_is_meant_twice_gets_the_layers_once():
    text = (STOCK / "11" / "yolo11.yaml").read_text(encoding="utf-8")
    assert insert_inside(text, ["EMA"], ["backbone", "all", "4"]) == insert_inside(text, ["EMA"], ["all"])


@pytest.mark.parametrize(
    ("layer", "into", "message"),
    [
        ("EMU", "C3", "there is no layer EMU; did you mean EMA?"),
        (
            "EMA",
            "C2f",
            "this model has no C2f that takes a layer inside; its blocks are C3; write one of them, backbone, neck, all",
        ),
        ("EMA", "Detect", "this model has no Detect that takes a layer inside"),
        ("EMA", "2", "this model has no 2 that takes a layer inside"),
        ("EMA", "C3@middle", "there is no place 'middle' inside a block; write C3, or C3@end for the block's end"),
        ("EMA:8)", "C3", "is no block with layers inside"),
    ],
)
def test_what_cannot_be_inserted_is_refused(layer, into, message):
    with pytest.raises(ValueError) as caught:
        insert_inside(ROW.format("- [-1, 3, C3, [64]]"), [layer], [into])
    assert message in str(caught.value)


def test_a_row_says_its_block_and_its_layers():
    block = read("C3k2 + CBAM(16, 7)@end + EMA")
    assert block == Block(
        "C3k2", (InnerCall("CBAM(16, 7)", "CBAM", (16, 7), "end"), InnerCall("EMA", "EMA", (), "bottlenecks"))
    )
    assert str(block) == "C3k2+CBAM(16, 7)@end+EMA"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("C3+EMA(8)", "C3+PointwiseControl(EMA, 8)"),
        ("C3+ECA@end", "C3+PointwiseControl(ECA)@end"),
        ("C3+CBAM+ReZero(EMA, 8)@end", "C3+PointwiseControl(CBAM)+PointwiseControl(ReZero, EMA, 8)@end"),
        ("C3+PointwiseControl(EMA, 8)+ECA", "C3+PointwiseControl(EMA, 8)+PointwiseControl(ECA)"),
    ],
)
def test_the_control_stands_inside_the_same_block(written, expected):
    text = ROW.format(f'- [-1, 3, "{written}", [64]]')
    assert has_attention(text)
    assert modules(control(text))[1] == expected
    assert [finding for finding in check(control(text)) if finding.level == "error"] == []


def test_a_control_has_no_control():
    text = ROW.format('- [-1, 3, "C3+PointwiseControl(EMA, 8)", [64]]')
    assert not has_attention(text)
    with pytest.raises(ValueError, match="no attention layer"):
        control(text)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("[-1, 3, C3+EMA(8), [64]]", None),
        ("[-1, 1, Conv+EMA(8)@end, [64, 3, 2]]", None),
        ("[-1, 3, C3+EMA(12), [64]]", "error: row 1: does not build: EMA: 32 channels cannot be split into 12 groups"),
        ("[-1, 1, SPPF+EMA, [64, 5]]", "error: row 1: does not build: SPPF has no bottlenecks; write SPPF+EMA@end"),
        ("[-1, 3, C3+EMMA, [64]]", "error: row 1: there is no layer 'EMMA'; known are"),
        ("[-1, 3, C3+, [64]]", "error: row 1: 'C3+' is no block with layers inside"),
        ("[-1, 3, C33+EMA, [64]]", "error: row 1: there is no layer C33"),
        ("[-1, 3, print+EMA, [64]]", "error: row 1: "),
        ("[-1, 3, C3+EMA(8, 3), [64]]", "arguments with a comma need quotes, 'C3+CBAM(16, 7)'"),
        ("[-1, 3, C3+EMA(1000000000), [64]]", "error: row 1: C3+EMA(1000000000) has an argument 1000000000"),
        ("[-1, 3, C3+EMA(print(1)), [64]]", "error: row 1: "),
        ("[-1, 1, TorchVision+EMA, [64, no_such_model]]", "error: row 1: TorchVision names no model of torchvision"),
        (
            "[-1, 1, TorchVision+EMA, [64, resnet18]]",
            "error: row 1: does not build: TorchVision has no place for a layer",
        ),
    ],
)
def test_check_understands_layers_inside(row, message):
    findings = list(map(str, check(ROW.format(f"- {row}"))))
    assert (message is None and findings == []) or message in "\n".join(findings)


def test_check_calls_attention_inside_a_block_that_nothing_reads_an_error():
    text = ROW.format("- [-1, 3, C3+EMA(8), [64]]").replace("[[1], 1, Detect", "[[0], 1, Detect")
    assert "error: row 1: C3+EMA(8) is without effect: nothing reads it" in map(str, check(text))
