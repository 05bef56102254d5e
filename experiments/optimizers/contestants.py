"""The optimizers of a comparison: any function from a learning rate to a pair (init, update).

adam                                jaxmlp's own
momentum(decay=0.99)                with other arguments
optax:lion                          of an installed module
my_file.py:my_optimizer             of a file of yours
adam@6.31e-4                        at this learning rate, not tuned
tenth=adam@6.31e-5                  under another name
"""

import ast
import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jaxmlp
from experiments.optimizers.errors import UserError
from experiments.optimizers.files import from_file, is_in_file

OPTIMIZERS = (
    *("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta"),
    *("adam", "nadam", "adamw", "amsgrad", "radam", "adamax", "lion"),
)
FORM = re.compile(r"(?:(?P<name>[^=()@]+)=)?(?P<source>[^()@]+)(?:\((?P<arguments>.*)\))?(?:@(?P<rate>[^@()]+))?")


class Contestant(NamedTuple):
    """An optimizer by the name that the report gives it.

    - `make(learning_rate, **hyperparameters)`: a pair (init, update).
    - `rate`: its learning rate, where that is given and not tuned.
    - `arguments`: the names of the hyperparameters that it can be given besides.
    - `family`: which optimizer of the literature it is at full generality, if any.
    """

    name: str
    make: Callable[..., Any]
    rate: float | None = None
    arguments: tuple[str, ...] = ()
    family: str | None = None

    def __call__(self, learning_rate, **hyperparameters):
        """The optimizer at these numbers; a plain pair of functions will do."""
        optimizer = self.make(learning_rate, **hyperparameters)
        plain = type(optimizer) in (tuple, list) and len(optimizer) == 2
        return jaxmlp.Optimizer(*optimizer) if plain else optimizer


def parse_contestants(given):
    """Contestants of a text such as `adam,optax:lion`, of a dict from name to function, or of a list of either.

    Raises:
      UserError: for an unknown optimizer, a file that cannot be imported, two of the same name.
    """
    if isinstance(given, str):
        parts = [parse_one(part) for part in split_outside_brackets(given)]
    elif isinstance(given, dict):
        parts = [_named(name, value) for name, value in given.items()]
    else:
        parts = [value if isinstance(value, Contestant) else parse_one(value) for value in given]
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two optimizers are called {twice[0]!r}: give one another name, as in other={twice[0]}")
    if not parts:
        raise UserError(f"no optimizer is given: name some of {', '.join(OPTIMIZERS)}")
    return parts


def parse_one(text):
    """One optimizer of the form `[name=]source[(arguments)][@rate]`."""
    text = text.strip()
    match = FORM.fullmatch(text)
    if match is None:
        raise UserError(f"optimizer {text!r} must have the form [name=]source[(arguments)][@learning_rate]")
    source, rate = match["source"].strip(), _rate(text, match["rate"])
    function = _function(source)
    positional, named = _arguments(text, match["arguments"])
    given = bool(positional or named)
    short = source.rpartition(":")[2] + text[match.end("source") :]
    whole = not given and rate is None and (source in OPTIMIZERS or source.startswith("optax:"))
    return Contestant(
        name=(match["name"] or short).strip(),
        make=partial(_call, function, positional, named) if given else function,
        rate=rate,
        arguments=tuple(name for name in arguments_of(function)[len(positional) :] if name not in named),
        family=source.removeprefix("optax:") if whole else None,
    )


def arguments_of(function):
    """The names of a function's arguments after the learning rate."""
    try:
        return tuple(inspect.signature(function).parameters)[1:]
    except (TypeError, ValueError):  # a function without a signature, such as a compiled one
        return ()


def split_outside_brackets(text):
    """The parts between commas that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _named(name, value):
    if isinstance(value, Contestant):
        return value._replace(name=name)
    if isinstance(value, str):
        return parse_one(value)._replace(name=name)
    if not callable(value):
        raise UserError(f"optimizer {name!r} must be a function from a learning rate to a pair (init, update)")
    family = next((family for family in OPTIMIZERS if value is getattr(jaxmlp, family)), None)
    return Contestant(name, value, arguments=arguments_of(value), family=family)


def _function(source):
    """The function that a source names."""
    if is_in_file(source):
        function = from_file(source)
        if not callable(function):
            raise UserError(f"{source} must be a function from a learning rate to a pair (init, update)")
        return function
    if source not in (*OPTIMIZERS, "sgd"):
        ways = "optax:name, my_file.py:name"
        raise UserError(f"unknown optimizer {source!r}: must be one of {', '.join(OPTIMIZERS)}, or {ways}")
    return getattr(jaxmlp, source)


def _arguments(text, arguments):
    """Positional and named arguments, Python literals all."""
    try:
        call: Any = ast.parse(f"f({arguments or ''})", mode="eval").body
        positional = tuple(ast.literal_eval(value) for value in call.args)
        return positional, {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise UserError(f"optimizer {text!r} must have plain numbers as arguments, as in adam(b1=0.8)") from error


def _call(function, positional, named, learning_rate, **others):
    return function(learning_rate, *positional, **named, **others)


def _rate(text, rate):
    if rate is None:
        return None
    try:
        return float(rate)
    except ValueError as error:
        raise UserError(f"optimizer {text!r} must have a number after @, its learning rate") from error
