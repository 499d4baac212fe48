"""The text of a model YAML as data, and as nodes that know their positions in the text."""

from copy import deepcopy
from typing import Any

import yaml

SECTIONS = ("backbone", "head")  # the order in which Ultralytics counts rows, whatever the order in the file
# Beside its own errors, PyYAML raises these on values that their tag does not allow, such as `!!int x`, and on deep nesting.
UNREADABLE = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


def load(text: str) -> tuple[dict[str, Any], dict[str, yaml.CollectionNode]]:
    """The data of a model YAML, and the node of each top-level key.

    Raises:
        ValueError: The text is no YAML, no model, or has a key twice, of which loaders silently take the last.
    """
    loader = yaml.SafeLoader("")
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        nodes = _values(root)
        # Constructing moves merged keys (`<<`) into the nodes, which are to keep what the text says.
        data: Any = loader.construct_document(deepcopy(root) if "<<" in text else root) if root else None
    except UNREADABLE as error:
        raise ValueError(f"not a YAML file: {' '.join(str(error).split()) or type(error).__name__}") from error
    finally:
        loader.dispose()
    for section in SECTIONS:
        if not isinstance(data, dict) or not isinstance(data.get(section), list):
            raise ValueError("not a model YAML: it needs a list named backbone and a list named head")
        if not isinstance(nodes.get(section), yaml.SequenceNode):
            raise ValueError(f"{section} is merged into this file by `<<`; write its rows out")
    for mapping in (root, nodes.get("scales")):
        _refuse_doubled_keys(mapping)
    return data, nodes


def _values(root: yaml.Node | None) -> dict[str, yaml.CollectionNode]:
    if not isinstance(root, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}


def _refuse_doubled_keys(mapping: yaml.Node | None) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.value if isinstance(mapping, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ValueError(f"the key {key.value} stands twice, in lines {lines[key.value]} and {line}; remove one")
        lines[key.value] = line
