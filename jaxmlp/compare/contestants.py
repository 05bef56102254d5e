"""The optimizers of a comparison: any function from a learning rate to a pair (init, update).

adam                                one of jaxmlp
momentum(decay=0.99)                with other arguments
cautious(adamw)                     around another: averaged, swa, lookahead or cautious
optax:lion, optax:contrib.muon      from an installed module
my_file.py:my_optimizer             from your own file
adam@6.31e-4                        at this learning rate, not tuned
lion@1e-5..1e-2                     tuned between these learning rates instead of the protocol's
tenth=adam@6.31e-5                  under another name
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jaxmlp
from jaxmlp.compare.errors import UserError
from jaxmlp.compare.files import exists, from_file, is_in_file

OPTIMIZERS: tuple[str, ...] = (
    *("gd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta"),
    *("adam", "nadam", "adamw", "amsgrad", "radam", "adamax", "lion"),
    *("adan", "ademamix", "prodigy", "schedule_free_sgd", "schedule_free_adamw"),
    *("muon", "shampoo", "soap"),
)
WRAPPERS: tuple[str, ...] = ("averaged", "swa", "lookahead", "cautious")
_REST = r"(?:\((?P<arguments>.*)\))?(?:@(?P<rate>[^@()]+))?"
_FORM = re.compile(r"(?:(?P<name>[^=()@]+)=)?(?P<source>[^()@]+)" + _REST, re.DOTALL)
_AROUND = re.compile(rf"(?:(?P<name>[^=()@/\\]+)=)?(?P<source>{'|'.join(WRAPPERS)}){_REST}", re.DOTALL)
_FILE_FORM = re.compile(r"(?:(?P<name>[^=/\\]+)=)?(?P<source>.+?\.py:\w+)" + _REST, re.DOTALL)


class Contestant(NamedTuple):
    """An optimizer under the name that the report gives it.

    Attributes:
      name: unique within a comparison.
      make: `make(learning_rate, **hyperparameters)` returns a pair (init, update).
      rate: its learning rate, if that is given instead of tuned.
      arguments: names of its other hyperparameters, which a protocol may tune.
      family: the name of the textbook optimizer that it is in full generality, or None.
      rates: the lowest and highest learning rate of its tuning, or None for the protocol's.
    """

    name: str
    make: Callable[..., Any]
    rate: float | None = None
    arguments: tuple[str, ...] = ()
    family: str | None = None
    rates: tuple[float, float] | None = None

    def __call__(self, learning_rate: Any, **hyperparameters: Any) -> Any:
        """The optimizer with these numbers; a plain pair of functions becomes a `jaxmlp.Optimizer`."""
        optimizer = self.make(learning_rate, **hyperparameters)
        plain = type(optimizer) in (tuple, list) and len(optimizer) == 2
        return jaxmlp.Optimizer(*optimizer) if plain else optimizer


Optimizers: TypeAlias = str | Mapping[str, Callable[..., Any] | str | Contestant] | Iterable[str | Contestant]
"""What `compare` takes: a text such as `adam,optax:lion`, a dict from name to function, or a list of texts."""


def parse_contestants(given: Optimizers) -> list[Contestant]:
    """The contestants that a text, dict or list names.

    Args:
      given: a text such as `adam,optax:lion`; a dict from name to function, text or Contestant; or a list of texts
        and Contestants.

    Raises:
      UserError: if an optimizer is unknown or does not take its arguments, a file cannot be imported, or two optimizers
        have one name.
    """
    if isinstance(given, str):
        parts = [parse_contestant(part) for part in split_outside_brackets(given)]
    elif isinstance(given, Mapping):
        parts = [_named(str(name), value) for name, value in given.items()]
    elif callable(given) or not isinstance(given, Iterable):
        raise UserError(f"optimizers must be a text, a dict from names to functions, or a list of texts, got {given!r}")
    else:
        parts = [value if isinstance(value, Contestant) else parse_contestant(value) for value in given]
    names = [part.name for part in parts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two optimizers are called {twice[0]!r}: rename one of them, as in other={twice[0]}")
    if not parts:
        raise UserError(f"no optimizer is given: name some of {', '.join(OPTIMIZERS)}")
    return parts


def parse_contestant(text: str) -> Contestant:
    """One contestant from a text of the form `[name=]source[(arguments)][@learning_rate]`.

    Raises:
      UserError: if the text has another form, or its source cannot be used.
    """
    text = text.strip()
    match = _match(text)
    if match is None:
        raise UserError(f"optimizer {text!r} must have the form [name=]source[(arguments)][@learning_rate]")
    source, (rate, rates) = match["source"].strip(), _rate(text, match["rate"])
    end = match.start("rate") - 1 if rates else len(text)
    short = source.rpartition(":")[2] + text[match.end("source") : end]
    if source in WRAPPERS:
        around = _around(text, source, match["arguments"] or "")
        given = (rate, rates) if rate or rates else (around.rate, around.rates)
        return around._replace(name=(match["name"] or short).strip(), rate=given[0], rates=given[1])
    function = _function(source)
    positional, named = _arguments(text, match["arguments"])
    given = bool(positional or named)
    _check_call(text, function, positional, named)
    general = not given and rate is None and (source in OPTIMIZERS or source.startswith("optax:"))
    return Contestant(
        name=(match["name"] or short).strip(),
        make=partial(_call, function, positional, named) if given else function,
        rate=rate,
        arguments=tuple(name for name in _arguments_of(function)[len(positional) :] if name not in named),
        family=source.removeprefix("optax:") if general else None,
        rates=rates,
    )


def _around(text: str, source: str, arguments: str) -> Contestant:
    """An optimizer around another one, which is the first argument; its hyperparameters are those of the other."""
    first, *others = split_outside_brackets(arguments) or [""]
    if not first.strip() or "=" in first.partition("(")[0]:
        raise UserError(f"optimizer {text!r} must have another one as its first argument, as in {source}(adam)")
    inner, (positional, named) = parse_contestant(first), _arguments(text, ",".join(others))
    return inner._replace(make=partial(_call_around, getattr(jaxmlp, source), inner, positional, named), family=None)


def split_outside_brackets(text: str) -> list[str]:
    """The parts of a text between commas that are outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth = max(0, depth + (character in "([") - (character in ")]"))
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _match(text: str) -> re.Match[str] | None:
    """The parts of an optimizer's text; the path of a file may hold any of the signs `= ( ) @`."""
    if around := _AROUND.fullmatch(text):
        return around
    match = _FILE_FORM.fullmatch(text)
    if match and match["name"] and exists(text[: match.end("source")].rpartition(":")[0]):
        return re.compile(r"(?P<name>(?!))?(?P<source>.+?\.py:\w+)" + _REST, re.DOTALL).fullmatch(text)
    return match or _FORM.fullmatch(text)


def _arguments_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's arguments after the learning rate."""
    try:
        return tuple(inspect.signature(function).parameters)[1:]
    except (TypeError, ValueError):  # a function without a signature, such as a compiled one
        return ()


def _named(name: str, value: Callable[..., Any] | str | Contestant) -> Contestant:
    if isinstance(value, Contestant):
        return value._replace(name=name)
    if isinstance(value, str):
        return parse_contestant(value)._replace(name=name)
    if not callable(value):
        raise UserError(f"optimizer {name!r} must be a function from a learning rate to a pair (init, update)")
    family = next((family for family in OPTIMIZERS if value is getattr(jaxmlp, family)), None)
    return Contestant(name, value, arguments=_arguments_of(value), family=family)


def _function(source: str) -> Callable[..., Any]:
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


def _arguments(text: str, arguments: str | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and named arguments, all of them Python literals."""
    try:
        call: Any = ast.parse(f"f({arguments or ''})", mode="eval").body
        positional = tuple(ast.literal_eval(value) for value in call.args)
        return positional, {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise UserError(f"optimizer {text!r} must have plain numbers as arguments, as in adam(b1=0.8)") from error


def _check_call(text: str, function: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    """That a function takes a learning rate and these arguments, before anything runs."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function without a signature
        return
    try:
        signature.bind(0.1, *positional, **named)
    except TypeError as error:
        raise UserError(
            f"optimizer {text!r} cannot be called with a learning rate and these arguments: {error}"
        ) from error


def _call(
    function: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any], learning_rate: Any, **others: Any
) -> Any:
    return function(learning_rate, *positional, **named, **others)


def _call_around(
    wrapper: Callable[..., Any],
    inner: Contestant,
    positional: tuple[Any, ...],
    named: dict[str, Any],
    learning_rate: Any,
    **others: Any,
) -> Any:
    return wrapper(inner(learning_rate, **others), *positional, **named)


def _rate(text: str, given: str | None) -> tuple[float | None, tuple[float, float] | None]:
    """A learning rate, or the two between which it is tuned."""
    if given is None:
        return None, None
    try:
        rates = [float(part) for part in given.split("..")]
    except ValueError as error:
        form = "a number after @, its learning rate, or two as in 1e-4..1e-1"
        raise UserError(f"optimizer {text!r} must have {form}") from error
    if len(rates) == 1:
        return rates[0], None
    if len(rates) > 2 or not 0 < rates[0] < rates[1]:
        raise UserError(f"optimizer {text!r} must have learning rates that rise from above 0, as in 1e-4..1e-1")
    return None, (rates[0], rates[1])
