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

# What the modules of each room may import, besides the standard library and their own room. Every arrow points down this list.
ALLOWED = {
    "_autoload": {"yolo_attn.plugin"},  # not before the parser is imported
    "__main__": {"yolo_attn.cli"},
    "storage": {"filelock"},
    "processes": set(),
    "layers": {"torch"},
    "networks": {"torch", "torchvision", "ultralytics", "yolo_attn.layers"},
    "model_yaml": {"yaml", "yolo_attn.layers"},
    "plugin": {"numpy", "torch", "ultralytics", "yolo_attn.layers", "yolo_attn.networks", "yolo_attn.model_yaml"},
    "checking": {
        "torch",
        "yaml",
        "ultralytics",
        "yolo_attn.layers",
        "yolo_attn.networks",
        "yolo_attn.model_yaml",
        "yolo_attn.plugin",
    },
    "visdrone": {"numpy", "PIL", "faster_coco_eval", "yolo_attn.storage", "yolo_attn.processes"},
    "demo": {"numpy", "cv2", "yolo_attn.storage", "yolo_attn.processes", "yolo_attn.visdrone"},
    "detection": {"numpy", "cv2", "onnxruntime", "yolo_attn.storage", "yolo_attn.visdrone"},
    "detection/visdrone_detector": {"ultralytics", "yolo_attn.visdrone"},  # the torch detector
    "deploy": {
        "numpy",
        "torch",
        "ultralytics",
        "onnx",
        "onnxruntime",
        "openvino",
        "yolo_attn.storage",
        "yolo_attn.detection",
    },
    "experiment": {
        "torch",
        "numpy",
        "yaml",
        "matplotlib",
        "psutil",
        "scipy",
        "ultralytics",
        "yolo_attn",  # its version
        "yolo_attn.storage",
        "yolo_attn.layers",
        "yolo_attn.model_yaml",
        "yolo_attn.plugin",
        "yolo_attn.visdrone",
        "yolo_attn.detection",
    },
    "analysis": {
        "torch",
        "numpy",
        "yaml",
        "matplotlib",
        "ultralytics",
        "yolo_attn.storage",
        "yolo_attn.layers",
        "yolo_attn.plugin",
    },
    "cli": {
        "yolo_attn",  # its version
        "typer",
        "rich",
        "ultralytics",
        "yolo_attn.storage",
        "yolo_attn.model_yaml",
        "yolo_attn.plugin",
        "yolo_attn.checking",
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
    "processes",
    "visdrone.annotations",
    "visdrone.sizes",
    "visdrone.prepare",
    "visdrone.evaluation.evaluate",
    "visdrone.evaluation.coco",
    "demo",
    "detection.runtime",
    "detection.predict",
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


def test_the_layer_of_the_readme_builds_and_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    row = re.search(r"- (\[.*?\]\])?", code)[0].removeprefix("- ")
    program = f"""{code}
from ultralytics.nn.tasks import parse_model
conv = [-1, 1, "Conv", [8, 3, 1]]
model, _ = parse_model({{"backbone": [conv, [-1, 1, "Scale", [0.5]]], "head": []}}, 3, verbose=False)
assert model[1].weight.shape == (1, 8, 1, 1) and model[1].weight.mean() == 0.5, {row!r}
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_file_that_the_readme_links_is_there():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
