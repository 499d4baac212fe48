"""Rows of our layers in a model YAML: hyper-parameters only, checked before anything is built, widths from the row's source.

Ultralytics' `parse_model` looks a row's module up among its globals, passes the arguments of a class that it does not know as they
are, and replaces an argument that names one of its local variables by that variable's value. So our rows are handed to it with
a first argument "ch", the list of the widths of all rows so far, of which `_Arguments` keeps those of the row's sources.

It takes the width of the first source, `ch[f]`, for that of the output. Where a module says otherwise by `out_channels`, `_Sources`
lends that list the other width for the one look-up.
"""

import ast
import inspect
import types
import typing
from pathlib import Path

import ultralytics
from torch import nn
from ultralytics.nn import tasks

from yolo_attn.layers import LAYERS
from yolo_attn.model_yaml.names import suggestion
from yolo_attn.networks import registry as networks

UNKNOWN_PARSER = f"yolo_attn cannot give layers their width in Ultralytics {ultralytics.__version__}, which reads YAML rows differently"


def with_our_rows(original):
    """Wrap `ultralytics.nn.tasks.parse_model`. Raises ValueError, naming the row, for a row of ours that cannot be built."""

    def parse_model(d, ch, *args, **kwargs):
        rows = [*d["backbone"], *d["head"]]
        file = Path(d.get("yaml_file") or "model").name
        places = [f"{file}, row {index} `- {str(row).replace(chr(39), '')}`" for index, row in enumerate(rows)]
        nc = d.get("nc")
        rows = [_prepared(row, index, place, nc) for index, (row, place) in enumerate(zip(rows, places, strict=True))]
        # A copy: the caller's dict ends up in checkpoints and keeps the rows as they were written.
        split = len(d["backbone"])
        prepared = {**d, "backbone": rows[:split], "head": rows[split:]}
        try:
            model, save = original(prepared, ch, *args, **kwargs)
        except (TypeError, ValueError) as error:
            variables = _variables_of(original, error)
            if "i" not in variables or not isinstance(rows[variables["i"]][3], _Arguments):
                raise
            raise ValueError(f"{places[variables['i']]}: {_cause(error, variables)}") from error
        for module in model:
            if isinstance(module.f, _Sources):
                if module.f.lent:
                    raise ValueError(f"{places[module.i]}: {UNKNOWN_PARSER}")
                module.f = module.f.written  # plain in checkpoints
        return model, save

    return parse_model


class _Arguments(list):
    """The arguments of one of our rows, led by "ch" until the parser replaces that by its list of widths."""

    def __init__(self, layer: type[nn.Module], source: "int | _Sources", values: list):
        super().__init__(["ch", *values])
        self.layer = layer
        self.source = source

    def __setitem__(self, position, value):
        # Only the first is the parser's to replace: a layer's argument "n" or "act" is not the parser's variable of that name.
        if position == 0:
            several = isinstance(self.source, list) and isinstance(self.source.written, list)
            super().__setitem__(0, [value[entry] for entry in self.source] if several else value[int(self.source)])
            if hasattr(self.layer, "out_channels"):
                self.source.width_is(self.layer.out_channels(*self), value)


class _Sources(list):
    """Sources of one of our rows. As an index it is the place in the parser's list where the width of the row's output stands."""

    def __init__(self, written: int | list[int]):
        super().__init__(written if isinstance(written, list) else [written])
        self.written = written
        self.width = self.widths = None
        self.lent = False

    def width_is(self, width: int, widths: list[int]) -> None:
        """The output is that wide, whatever the first source is."""
        self.width, self.widths = width, widths

    def __index__(self) -> int:
        if self.width is None:
            return self[0]
        if not self.lent:
            self.widths.append(self.width)
            self.lent = True
        return -1

    def __iter__(self):
        # The parser goes through the sources once it has built the module, before it notes the width.
        if self.lent:
            self.widths.pop()
            self.lent = False
        return super().__iter__()

    def __repr__(self) -> str:
        return repr(self.written)  # in the table of rows


def _prepared(row: list, index: int, place: str, nc: int | None) -> list:
    """The row as the parser is to see it; rows of other modules pass unchanged."""
    source, repeats, name, values = row
    if name in networks.HOMES:
        setattr(tasks, name, networks.load(name))
    elif name not in LAYERS:
        if not hasattr(tasks, name) and (close := suggestion(name)):
            raise ValueError(f"{place}: there is no layer {name}{close}")
        return row
    layer = LAYERS[name] if name in LAYERS else networks.load(name)
    sources = source if isinstance(source, list) else [source]
    if hasattr(layer, "out_channels") and repeats != 1:
        raise ValueError(f"{place}: {name} changes the width and cannot be repeated; found n = {repeats}, write 1")
    if getattr(layer, "multi_source", False):
        if repeats != 1:
            raise ValueError(f"{place}: {name} reads several rows and cannot be repeated; found n = {repeats}, write 1")
        source = _Sources(sources)
    elif isinstance(source, list):
        raise ValueError(
            f"{place}: {name} reads one row, found the list {source}; write one index, or put a Concat before it"
        )
    for entry in sources:
        if isinstance(entry, bool) or not isinstance(entry, int) or not -max(index, 1) <= entry < index:
            rule = f"write -1 to -{index} or 0 to {index - 1}" if index else "the first row reads the image, write -1"
            raise ValueError(f"{place}: {entry} is not a row before this one; {rule}")
    if hasattr(layer, "out_channels"):
        source = source if isinstance(source, _Sources) else _Sources(source)
    values = [nc if value == "nc" and name in networks.HOMES else _literal(value) for value in values]
    _check_arguments(layer, values, place)
    return [source, repeats, name, _Arguments(layer, source, values)]


def _literal(value):
    """The text None or 1e-3 in a YAML as Python reads it, which is what the parser does with its own rows."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (SyntaxError, ValueError):
        return value


def _check_arguments(layer: type[nn.Module], values: list, place: str) -> None:
    _channels, *parameters = inspect.signature(layer, eval_str=True).parameters.values()
    signature = f"{layer.__name__}({', '.join(map(str, parameters))})"
    named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    required = sum(parameter.default is parameter.empty for parameter in named)
    parameters = named + parameters[len(named) :] * (len(values) - len(named))  # *arguments: one for each further value
    if not required <= len(values) <= len(parameters):
        raise ValueError(
            f"{place}: {len(values)} arguments do not fit {signature}; channels are not written, they come from the row's source"
        )
    for value, parameter in zip(values, parameters, strict=False):
        if not _fits(value, parameter.annotation):
            raise ValueError(f"{place}: {value!r} does not fit {parameter.name} of {signature}")


def _fits(value, annotation) -> bool:
    if annotation is inspect.Parameter.empty:
        return True
    if typing.get_origin(annotation) is typing.Literal:
        return value in typing.get_args(annotation)
    if isinstance(annotation, types.UnionType):
        return any(_fits(value, kind) for kind in typing.get_args(annotation))
    if isinstance(value, bool):
        return annotation is bool
    return isinstance(value, (int, float) if annotation is float else annotation)


def _variables_of(parser, error: BaseException) -> dict:
    """The parser's local variables at the moment the error passed through it."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is parser.__code__:
            return trace.tb_frame.f_locals
        trace = trace.tb_next
    return {}


def _cause(error: BaseException, variables: dict) -> str:
    return UNKNOWN_PARSER if variables["args"][0] == "ch" else str(error)
