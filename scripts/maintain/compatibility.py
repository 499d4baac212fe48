"""Run the tests of the plug-in against other Ultralytics versions: python -m scripts.maintain.compatibility 8.3.0 8.3.253 8.4.0 8.4.190

Each version is installed into a throw-away virtual environment over the packages of this one. Needs a package index and a few
minutes a version. The exit code is 1 if any version fails.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import typer

from scripts import results

# By Ultralytics up to 8.3.0 but not by today's; onnxscript by its call of torch.onnx.export under a recent torch.
FORMERLY_REQUIRED = ["tqdm", "scipy", "pandas", "seaborn", "py-cpuinfo", "onnxscript"]
SUITES = {
    "rows and files": ["tests/plugin"],
    "stock commands": ["tests/test_commands.py"],
    "anchor head": ["tests/networks/test_anchor_commands.py"],
    "two processes": ["tests/test_distributed.py"],
}


def environment(folder: Path, version: str) -> Path:
    """The interpreter of a new environment that has this Ultralytics, yolo_attn, and the packages of the present one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "aa_base.pth").write_text("".join(f"{path}\n" for path in sys.path if path.endswith("site-packages")))
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *FORMERLY_REQUIRED], check=True)
    subprocess.run([*pip, "--no-deps", "--ignore-installed", f"ultralytics=={version}"], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", results.ROOT], check=True)
    return python


def outcome(python: Path, tests: list[str], slow: bool) -> str:
    """`12 passed` or the failing tests, and how many were skipped."""
    with tempfile.NamedTemporaryFile(suffix=".xml") as file:
        marks = ["-m", "not cuda"] if slow else []
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", *marks, f"--junitxml={file.name}", *tests]
        done = subprocess.run(command, cwd=results.ROOT, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            return f"did not run: {done.stdout.strip().splitlines()[-1]}"
        cases = list(ElementTree.parse(file.name).iter("testcase"))
    failed = []
    for case in cases:
        for problem in (*case.findall("failure"), *case.findall("error")):
            print(f"{case.get('name')}: {problem.text}", file=sys.stderr)
            failed.append(case.get("name"))
    skipped = sum(case.find("skipped") is not None for case in cases)
    text = f"{len(cases) - len(set(failed)) - skipped} passed" + (f", {skipped} skipped" if skipped else "")
    return f"{text}, {len(set(failed))} FAILED: {', '.join(dict.fromkeys(failed))}" if failed else text


def main(versions: list[str], slow: bool = typer.Option(False, help="Also the tests marked slow.")) -> None:
    """Save the table: a row for each version, a column for each part of the plug-in."""
    rows = []
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            python = environment(Path(folder), version)
            rows.append((version, *(outcome(python, tests, slow) for tests in SUITES.values())))
        print(*rows[-1], sep=" | ", file=sys.stderr)
    results.save("compatibility", ("Ultralytics", *SUITES), rows, results.made("torch", "torchvision"))
    raise SystemExit(any("FAILED" in cell or "did not run" in cell for row in rows for cell in row))


if __name__ == "__main__":
    typer.run(main)
