"""The text of a model YAML as data, and as nodes that know their positions in the text."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import yaml

SECTIONS = ("backbone", "head")  # the order in which Ultralytics counts rows, whatever the order in the file


def load(text: str) -> tuple[dict[str, Any], dict[str, yaml.CollectionNode]]:
    """The data of a model YAML, and the node of each top-level key.

    Raises:
        ValueError: The text is no YAML, no model, or has a key twice, of which loaders silently take the last.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        # Constructing moves merged keys (`<<`) into the nodes, which are to keep what the text says.
        data: Any = loader.construct_document(deepcopy(root) if "<<" in text else root) if root else None
    except Exception as error:  # PyYAML raises anything on values that their tag does not allow, such as `!!int x`
        raise ValueError(f"not a YAML file: {' '.join(str(error).split()) or type(error).__name__}") from error
    if not isinstance(data, dict) or not all(isinstance(data.get(section), list) for section in SECTIONS):
        raise ValueError("not a model YAML: it needs a list named backbone and a list named head")
    keys: Sequence = root.value if root else ()
    nodes = {key.value: value for key, value in keys if isinstance(key, yaml.ScalarNode)}
    for section in SECTIONS:
        if not isinstance(nodes.get(section), yaml.SequenceNode):
            raise ValueError(f"{section} is merged into this file by `<<`; write its rows out")
    for mapping in (root, nodes.get("scales")):
        if isinstance(mapping, yaml.MappingNode):
            _refuse_doubled_keys(mapping)
    return data, nodes


def _refuse_doubled_keys(mapping: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ValueError(f"the key {key.value} stands twice, in lines {lines[key.value]} and {line}; remove one")
        lines[key.value] = line
