"""Objects from users' own code: `my_file.py:name` or `package.module:name`."""

import difflib
import importlib
import importlib.util
import sys
import traceback
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxmlp.compare.errors import UserError


def exists(path: str) -> bool:
    """Whether a path exists; False for a text that cannot be one."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, with a null character, or of an unknown user
        return False


def is_in_file(source: object) -> bool:
    """Whether a text has the form `my_file.py:name` or `package.module:name`.

    A path that exists, or that has a colon elsewhere, such as `C:/data.csv` or `dir:x/data.csv`, has not.
    """
    if not isinstance(source, str) or exists(source):
        return False
    place, colon, name = source.rpartition(":")
    if not colon or not _is_dotted(name):
        return False
    if place.endswith(".py") or not _is_dotted(place):
        return place.endswith(".py")
    # A name with dots may be that of a file: `optax:contrib.muon` is an object, `C:data.csv` is not.
    return name.isidentifier() or importlib.util.find_spec(place.partition(".")[0]) is not None


def _is_dotted(text: str) -> bool:
    """Whether a text is a name, or several joined by dots."""
    return all(part.isidentifier() for part in text.split("."))


def from_file(source: str) -> Any:
    """The object that a file or module holds under a name, which may have dots, as in `optax:contrib.muon`.

    Args:
      source: a text for which `is_in_file` is true.

    Raises:
      UserError: if the file or module cannot be imported, or does not hold the name.
    """
    place, _, name = source.rpartition(":")
    module = _file(Path(place).expanduser()) if place.endswith(".py") else _module(place)
    try:
        return attrgetter(name)(module)
    except AttributeError:
        own = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        close = difflib.get_close_matches(name, own, n=5)
        known = ", ".join(close or sorted(own)[:20]) or "no public functions"
        raise UserError(f"{place} has no {name!r}; it has {known}") from None


def short(error: BaseException, most: int = 400) -> str:
    """The type and text of an error on one line."""
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text if len(text) <= most else text[:most] + '...'}"


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"{path} must be a file that exists (looked for {path.resolve()})")
    spec = importlib.util.spec_from_file_location(f"user_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path} must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # before execution, as an import does: dataclasses look up their own module
    with suppress(ImportError):  # nobody else can import it by this name: to workers it travels itself
        import cloudpickle

        cloudpickle.register_pickle_by_value(module)
    sys.path.insert(0, str(path.resolve().parent))  # so that the file can import its neighbors
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise UserError(f"{path} cannot be imported: {_sentence(error, path)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"module {name!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"module {name!r} cannot be imported: {_sentence(error)}") from error


def _sentence(error: BaseException, path: Path | None = None) -> str:
    """The error with the line of the user's file that raised it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if path and Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {text}" + (f" (line {line})" if line else "")
