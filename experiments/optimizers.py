"""An alias of `jaxmlp compare`, for commands written before it became part of the package."""

import sys

from jaxmlp.__main__ import main

if __name__ == "__main__":
    main(["compare", *sys.argv[1:]])
