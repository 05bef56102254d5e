"""Things of a user's own, by `my_file.py:name` or `package.module:name`."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path

from experiments.optimizers.errors import UserError


def is_in_file(source):
    """Whether a source has the form of a file or module and a name in it."""
    return isinstance(source, str) and ":" in source


def from_file(source):
    """What a file or module holds under a name, or a UserError that says what is wrong with it."""
    place, _, name = source.rpartition(":")
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    if not hasattr(module, name):
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"{place} has no {name!r}; it has {', '.join(sorted(own)[:20]) or 'no public functions'}")
    return getattr(module, name)


def _file(path):
    if not path.is_file():
        raise UserError(f"{path} must be a file that exists (looked for {path.resolve()})")
    spec = importlib.util.spec_from_file_location(f"user_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # before it runs, as an import does: dataclasses look themselves up
    sys.path.insert(0, str(path.resolve().parent))  # so that it can import its neighbours
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} cannot be imported: {_sentence(error, path)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _module(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"module {name!r} cannot be imported: {error}") from error
    except Exception as error:
        raise UserError(f"module {name!r} cannot be imported: {_sentence(error)}") from error


def _sentence(error, path=None):
    """The error with the line of the user's file that it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if path and Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
