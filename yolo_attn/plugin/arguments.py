"""Check the arguments of a model YAML's row against the signature of the constructor that they are for.

Arguments come from YAML, so they are data as JSON knows it: a list stands for a tuple as well, `True` is no number and "3" is no 3.
That is pydantic's strict JSON mode. typeguard takes `True` for an int, refuses a list for a tuple and looks at the first item of
a list only; beartype looks at a random one.
"""

import inspect
import json
import sys
from inspect import Parameter
from typing import Any, ForwardRef

from torch import nn

BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def hyperparameters(layer: type[nn.Module]) -> list[Parameter]:
    """Return the parameters that a row's arguments fill, in order: those given by position, behind the channels.

    Annotations are evaluated; one that cannot be, such as a name imported for type checkers only, is left out.

    Raises:
        ValueError: The constructor takes no channels, or needs what a row cannot give.
    """
    parameters = [] if layer.__init__ is nn.Module.__init__ else _parameters(layer)
    positional = [parameter for parameter in parameters if parameter.kind in BY_POSITION]
    open_ended = [parameter for parameter in parameters if parameter.kind is Parameter.VAR_POSITIONAL]
    if not positional and not open_ended:
        rule = "begin it with `def __init__(self, channels, ...)`, they come from the row's source"
        raise ValueError(f"{layer.__name__}: its constructor takes no channels; {rule}")
    for parameter in parameters:
        if parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is Parameter.empty:
            problem = f"a row gives arguments by position, which {parameter.name} does not take"
            rule = f"give {parameter.name} a default or move it before the `*`"
            raise ValueError(f"{layer.__name__}: {problem}; {rule}")
    return positional[1:] + open_ended


def fitted(layer: type[nn.Module], values: list) -> list:
    """Return a row's arguments as the constructor's annotations ask for them: [3, 3] for a `tuple[int, int]` becomes (3, 3).

    Raises:
        ValueError: There are too few or too many, one does not fit its annotation, or no row can build this class.
    """
    parameters = hyperparameters(layer)
    signature = f"{layer.__name__}({', '.join(map(str, parameters))})"
    required = sum(p.default is Parameter.empty and p.kind in BY_POSITION for p in parameters)
    if parameters and parameters[-1].kind is Parameter.VAR_POSITIONAL:  # one for each further value
        parameters = parameters[:-1] + parameters[-1:] * (len(values) - len(parameters) + 1)
    if not required <= len(values) <= len(parameters):
        count = "1 argument does" if len(values) == 1 else f"{len(values)} arguments do"
        raise ValueError(f"{count} not fit {signature}; channels are not written, they come from the row's source")
    return [_fitted(value, parameter, signature) for value, parameter in zip(values, parameters, strict=False)]


def _parameters(layer: type[nn.Module]) -> list[Parameter]:
    if sys.version_info >= (3, 14):  # annotations are evaluated when they are asked for, and may fail to be
        import annotationlib

        signature = inspect.signature(layer, annotation_format=annotationlib.Format.FORWARDREF)
    else:
        signature = inspect.signature(layer)
    names = getattr(inspect.unwrap(layer.__init__), "__globals__", {})
    return [p.replace(annotation=_evaluated(p.annotation, names)) for p in signature.parameters.values()]


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    """Return an annotation that may be written as a string; `Parameter.empty` if it cannot be evaluated.

    `inspect.signature(eval_str=True)` does the same, but one unknown name costs it the whole signature.
    """
    try:
        annotation = eval(annotation, names) if isinstance(annotation, str) else annotation
    except Exception:
        return Parameter.empty
    return Parameter.empty if isinstance(annotation, ForwardRef | str) else annotation


def _fitted(value: Any, parameter: Parameter, signature: str) -> Any:
    # Imported now: models without plug-in rows do not pay for it.
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    default = parameter.default
    if parameter.annotation is Parameter.empty or (type(value) is type(default) and value == default):
        return value
    try:
        adapter = TypeAdapter(parameter.annotation, config=ConfigDict(arbitrary_types_allowed=True))
        try:
            data = json.dumps(value)
        except (TypeError, ValueError):  # no JSON: a model that was not read from YAML
            return adapter.validate_python(value, strict=True)
        return adapter.validate_json(data, strict=True)
    except ValidationError:
        raise ValueError(f"{value!r} does not fit {parameter.name} of {signature}") from None
    except (PydanticUserError, NameError):  # the annotation is not for data, or names what does not exist
        return value
