"""The detectors of the EMA paper as its authors' files have them."""

import pytest
import yaml

from scripts.reproduce import paper_files, papers
from yolo_attn.checking.check import check

# Parameters and FLOPs in 10^9 at 640 x 640; the paper prints 90.96, 91.31, 91.28 and 91.18 M.
P2 = {
    "": (90_963_540, 314.198),
    "-cbam": (91_309_630, 314.863),
    "-ca": (91_278_630, 314.870),
    "-ema": (91_179_620, 314.946),
}


def rows_of(name):
    read = yaml.safe_load((paper_files.FOLDER / name).read_text(encoding="utf-8"))
    return read["backbone"] + read["head"]


@pytest.mark.parametrize(("layer", "expected"), P2.items())
def test_the_papers_networks_are_built_with_its_parameters_and_flops(layer, expected):
    spec = {"yolo": f"yolov5-paper-p2{layer}.yaml", "scale": "x", "classes": 10}
    found = papers.counted(spec)["all"], round(papers.multiply_adds(spec) * 2 / 1e9, 3)
    assert found == expected


def test_the_committed_files_are_what_the_script_writes():
    committed = {path.name: path.read_text(encoding="utf-8") for path in paper_files.FOLDER.glob("yolov5-paper*.yaml")}
    assert committed == paper_files.files(), "run `python -m scripts.reproduce.paper_files`"


def test_row_14_is_a_convolution_without_attention_and_the_attention_with_it():
    plain, with_ema = rows_of("yolov5-paper-p2.yaml"), rows_of("yolov5-paper-p2-ema.yaml")
    assert (plain[26], plain[14]) == ([[-1, 14], 1, "Concat", [1]], [-1, 1, "Conv", [256, 1, 1]])
    assert (with_ema[30], with_ema[14]) == ([[-1, 14], 1, "Concat", [1]], [-1, 1, "EMA", [32]])
    assert with_ema[15] == [-1, 1, "Conv", [256, 1, 1]]


@pytest.mark.parametrize("name", paper_files.files())
def test_check_finds_what_is_wrong_in_the_papers_files_and_nothing_else(name):
    found = [finding.message for finding in check((paper_files.FOLDER / name).read_text(encoding="utf-8"))]
    layer = name.removesuffix(".yaml").rpartition("-")[2].upper()
    past = (
        []
        if layer == "P2" or "p2" not in name
        else [
            f"Concat reads row 18 past {layer}, which is row 19",
            *(f"AnchorDetect reads row {row} past {layer}, which is row {row + 1}" for row in (23, 27, 31)),
        ]
    )
    assert found == past
