"""The rules that keep the package simple: which part may import which, and what the README shows runs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "yolo_attn"
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]

# What the modules of each room may import, besides the standard library and their own room. Every arrow points down this list.
ALLOWED = {
    "_autoload": {"yolo_attn.plugin"},  # not before the parser is imported
    "__main__": {"yolo_attn.cli"},
    "storage": {"filelock"},
    "parallel": set(),
    "tiling": {"numpy"},
    "html_page": {"numpy", "cv2", "jinja2"},
    "layer_files": set(),
    "layers": {"torch"},
    "networks": {"numpy", "scipy", "torch", "torchvision", "ultralytics", "yolo_attn.layers"},
    "model_yaml": {"yaml", "yolo_attn.layers", "yolo_attn.networks"},
    "plugin": {
        "numpy",
        "torch",
        "yaml",
        "ultralytics",
        "pydantic",
        "annotationlib",  # Python 3.14's
        "yolo_attn.layer_files",
        "yolo_attn.layers",
        "yolo_attn.networks",
        "yolo_attn.model_yaml",
        "yolo_attn.yolo_format",
    },
    "contract": {"torch", "onnxruntime", "yolo_attn.layer_files", "yolo_attn.layers", "yolo_attn.plugin"},
    "checking": {
        "torch",
        "torchvision",
        "yaml",
        "ultralytics",
        "yolo_attn.layers",
        "yolo_attn.networks",
        "yolo_attn.model_yaml",
        "yolo_attn.plugin",
    },
    "advice": {"numpy", "yaml", "matplotlib", "ultralytics", "yolo_attn.storage", "yolo_attn.plugin"},
    "yolo_format": {"numpy", "PIL", "cv2", "yaml", "yolo_attn.storage", "yolo_attn.parallel", "yolo_attn.tiling"},
    "visdrone": {
        "numpy",
        "PIL",
        "faster_coco_eval",
        "yolo_attn.storage",
        "yolo_attn.parallel",
        "yolo_attn.yolo_format",
    },
    "visdrone/evaluation/plots": {"numpy", "matplotlib", "yolo_attn.storage", "yolo_attn.visdrone"},
    "visdrone/evaluation/gallery": {"numpy", "PIL", "matplotlib", "yolo_attn.storage", "yolo_attn.visdrone"},
    "statistics": {"numpy", "scipy", "yolo_attn.visdrone"},
    "demo": {"numpy", "cv2", "yolo_attn.storage", "yolo_attn.visdrone", "yolo_attn.yolo_format"},
    "detection": {"numpy", "cv2", "onnxruntime", "yolo_attn.storage", "yolo_attn.tiling", "yolo_attn.visdrone"},
    "detection/torch_detector": {"numpy", "torch", "torchvision", "ultralytics"},  # the torch detector
    "deploy": {
        "numpy",
        "torch",
        "ultralytics",
        "onnx",
        "onnxruntime",
        "openvino",
        "nncf",
        "yolo_attn.storage",
        "yolo_attn.plugin",
        "yolo_attn.detection",
    },
    "experiment": {
        "cv2",
        "markupsafe",
        "torch",
        "numpy",
        "yaml",
        "matplotlib",
        "psutil",
        "ray",  # of the extra `cluster`, imported where it is used
        "scipy",
        "ultralytics",
        "yolo_attn",  # its version
        "yolo_attn.storage",
        "yolo_attn.html_page",
        "yolo_attn.parallel",
        "yolo_attn.layers",
        "yolo_attn.model_yaml",
        "yolo_attn.plugin",
        "yolo_attn.visdrone",
        "yolo_attn.statistics",
        "yolo_attn.detection",
    },
    "analysis": {
        "torch",
        "numpy",
        "cv2",
        "yaml",
        "matplotlib",
        "ultralytics",
        "yolo_attn.storage",
        "yolo_attn.html_page",
        "yolo_attn.layers",
        "yolo_attn.plugin",
        "PIL",
        "scipy",
        "torchvision",
        "pytorch_grad_cam",
        "yolo_attn.visdrone",
        "yolo_attn.statistics",
        "yolo_attn.detection",
    },
    "cli": {
        "yolo_attn",  # its version
        "typer",
        "rich",
        "ultralytics",
        "yolo_attn.storage",
        "yolo_attn.tiling",
        "yolo_attn.model_yaml",
        "yolo_attn.plugin",
        "yolo_attn.checking",
        "yolo_attn.yolo_format",
        "yolo_attn.contract",
        "yolo_attn.advice",
        "yolo_attn.visdrone",
        "yolo_attn.demo",
        "yolo_attn.detection",
        "yolo_attn.deploy",
        "yolo_attn.experiment",
        "yolo_attn.analysis",
    },
}
TORCH_FREE = [  # they run on machines without torch
    "storage",
    "parallel",
    "tiling",
    "visdrone.annotations",
    "visdrone.sizes",
    "visdrone.prepare",
    "visdrone.evaluation.evaluate",
    "visdrone.evaluation.coco",
    "statistics.bootstrap",
    "demo",
    "detection.opening",
    "detection.onnx_detector",
    "detection.predict",
    "detection.visdrone_predict",
]
FILES = [
    path
    for part in ALLOWED
    if "/" not in part
    for path in sorted(PACKAGE.glob(f"{part}.py")) + sorted(PACKAGE.glob(f"{part}/**/*.py"))
]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {
                f"{node.module}.{alias.name}" if node.module == "yolo_attn" else node.module for alias in node.names
            }
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = ALLOWED.get(path.relative_to(PACKAGE).with_suffix("").as_posix(), ALLOWED[part])
    for name in imports(path):
        top = ".".join(name.split(".")[: 2 if name.startswith("yolo_attn") else 1])
        assert top in sys.stdlib_module_names or top == f"yolo_attn.{part}" or top in allowed, f"{part} imports {name}"


def test_every_file_of_the_package_is_held_by_the_table():
    known = {PACKAGE / "__init__.py", *FILES}
    assert set(PACKAGE.rglob("*.py")) == known


@pytest.mark.parametrize("module", TORCH_FREE)
def test_the_parts_for_machines_without_torch_import_without_it(module):
    code = f"import sys; sys.modules['torch'] = sys.modules['ultralytics'] = None; import yolo_attn.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_layer_of_the_guide_builds_and_runs():
    guide = (ROOT / "docs" / "guides" / "own-layer.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    program = f"""{code}
from ultralytics.nn.tasks import parse_model
conv = [-1, 1, "Conv", [8, 3, 1]]
model, _ = parse_model({{"backbone": [conv, [-1, 1, "Scale", [0.5]]], "head": []}}, 3, verbose=False)
assert model[1].weight.shape == (1, 8, 1, 1) and model[1].weight.mean() == 0.5
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_links_is_there(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_fits_a_terminal():
    lines = README.splitlines()
    assert len(lines) < 120
    assert [line for line in lines if len(line) > 140] == []


def test_every_page_of_the_documentation_is_reachable():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in DOCS if page.relative_to(ROOT / "docs").as_posix() not in menu] == []
