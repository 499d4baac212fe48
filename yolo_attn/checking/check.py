"""Check a model YAML. The file may come from a stranger: nothing in it is executed."""

from yolo_attn.checking.build import build_errors
from yolo_attn.checking.finding import Finding
from yolo_attn.checking.permitted import forbidden
from yolo_attn.checking.wiring import doubtful_comments, unread_outputs, wrong_references
from yolo_attn.model_yaml import document, rows


def check(text: str) -> list[Finding]:
    """Everything found in a model YAML, in the order of its rows, errors of building at any of its scales last."""
    try:
        parsed, model = rows.parse(text), document.load(text)[0]
    except ValueError as error:
        return [Finding("error", None, str(error))]
    fatal = [*forbidden(model, parsed), *wrong_references(parsed)]
    if fatal:  # with these wrong nothing further can be said, and nothing may be built
        return sorted(fatal, key=_row)
    findings = [*unread_outputs(parsed), *doubtful_comments(parsed)]
    return [*sorted(findings, key=_row), *build_errors(model, parsed)]


def _row(finding: Finding) -> int:
    return -1 if finding.row is None else finding.row
