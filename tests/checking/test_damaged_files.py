"""Model YAMLs damaged at random: whatever a file holds, the tools end in a result or in a ValueError with a message."""

import random
import re
from pathlib import Path

import pytest
import ultralytics

from yolo_attn.checking.check import check
from yolo_attn.model_yaml import edit, places, rows, scale
from yolo_attn.model_yaml.control import control

STOCK = [
    path.read_text(encoding="utf-8")
    for path in sorted((Path(ultralytics.__file__).parent / "cfg/models").rglob("*.yaml"))
]
SMALL = [text for text in STOCK if text.count("\n  - ") <= 20]  # they build in a tenth of the time
TOKEN = re.compile(r"[\w.]+|[^\w\s]|\s+")
OTHER_SCALES = re.compile(r"(?m)^  [smlx]: .*\n")
# fmt: off
ODD_TOKENS = [
    "null", "1.0", "0x1", "0_6", "06", "-0", "+1", "1:30", ".nan", ".inf", "1e9", "99999999999999999999", "true", '"4"', "''", "[]", "{}",
    "[[]]", "[-1]", "[[-1],6]", "{a:1}", "3x3", "*a", "&a", "!!int", "!!python/name:os.system", "<<", ":", "-", "--", "---", "...", "#",
    "|", ">", "%", "@", "`", "\x00", "\x07", "\ufeff", "\u2028", "é", "EMA", "EMA(32)", "ECA", "nc", "ch", "self", "d", "m", "scales",
    "torch_safe_load", "nn.Module", "nn.functional", "torchvision.ops.nms", "DetectionModel", "TorchVision", "__import__('os').getcwd()",
]
# fmt: on


def damaged(text: str, draw: random.Random) -> str:
    """A text after one to four random edits of its tokens or lines."""
    for _ in range(draw.randint(1, 4)):
        by_line = draw.random() < 0.4
        parts = text.splitlines(keepends=True) if by_line else TOKEN.findall(text)
        at, other = draw.randrange(len(parts)), draw.randrange(len(parts))
        match draw.choice(["delete", "double", "swap", "scramble", "replace", "add", "indent", "newline", "cut"]):
            case "delete":
                del parts[at : at + draw.randint(1, 3)]
            case "double":
                parts[at:at] = parts[at : at + draw.randint(1, 3)]
            case "swap":
                parts[at], parts[other] = parts[other], parts[at]
            case "scramble":
                parts[at] = "".join(draw.sample(parts[at], len(parts[at])))
            case "replace":
                parts[at] = draw.choice(ODD_TOKENS)
            case "add":
                parts.insert(at, draw.choice(ODD_TOKENS))
            case "indent":
                parts[at] = draw.choice([" ", "  ", "\t", "- ", "    "]) + parts[at]
            case "newline":
                parts[at] = parts[at].replace("\n", draw.choice(["\r\n", "\r", "", "\x85"])) + draw.choice(["", "\n"])
            case "cut" if draw.random() < 0.2:
                del parts[at:]
        text = "".join(parts) or "\n"
    return text


def use(text: str, draw: random.Random) -> str:
    """Run every tool on a text; what they raise beside ValueError fails the test. Says how far they came."""
    findings = [
        str(finding) for finding in check(OTHER_SCALES.sub("", text))
    ]  # one scale builds in a fifth of the time
    assert all(len(finding) > len("error: ") for finding in findings)
    try:
        parsed = rows.parse(text)
        edit.strip(text)
        control(text if "EMA" in text else edit.insert_all(text, ["EMA:8"], [places.DEFAULT]))
        after = draw.randrange(max(len(parsed) - 1, 1))
        changed = scale.with_default_scale(edit.insert_all(text, ["ECA", "EMA:8"], [after]), "x")
        if edit.strip(text) == text:
            assert edit.strip(changed) == text
    except ValueError as error:
        assert len(str(error)) > 20, error
        return "refused"
    return "edited" if any("error" in finding for finding in findings) else "right"


def damage_and_use(seeds: range) -> set[str]:
    outcomes = set()
    for seed in seeds:
        draw = random.Random(seed)
        text = damaged(draw.choice(SMALL if seed % 10 else STOCK), draw)
        try:
            outcomes.add(use(text, draw))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}\n{text}") from error
    return outcomes


def test_a_hundred_damaged_files_end_in_a_result_or_a_message():
    assert damage_and_use(range(100)) == {"refused", "edited", "right"}


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(3, 100))
def test_ten_thousand_damaged_files_end_in_a_result_or_a_message(hundred):
    damage_and_use(range(100 * hundred, 100 * hundred + 100))
