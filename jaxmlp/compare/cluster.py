"""Workers for the command line: a Dask cluster on this machine, or one that runs elsewhere."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxmlp.compare.errors import UserError

LOCAL = "local"
_PATIENCE = {
    # A trial that kills its workers is found after three of them; a busy machine starts new ones slowly.
    "distributed.scheduler.allowed-failures": 1,
    "distributed.deploy.lost-worker-timeout": "5 minutes",
}


@contextmanager
def client_of(place: str | None) -> Iterator[Any]:
    """A client of the cluster at a place, which is closed at the end; None if there is none.

    Args:
      place: the address of a Dask scheduler; or `local`, for a cluster of one worker per core of this machine.

    Raises:
      UserError: if Dask is not installed, or no scheduler answers.
    """
    if place is None:
        yield None
        return
    try:
        import dask.config
        import distributed
    except ImportError as error:
        raise UserError(f"--cluster needs {error.name}; install it with: pip install 'jaxmlp[cluster]'") from error
    if place == LOCAL:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        options: Any = {"threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": None}
        options["silence_logs"] = logging.ERROR
        with (
            dask.config.set(_PATIENCE),
            distributed.LocalCluster(n_workers=cores, **options) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = distributed.Client(place, timeout="10 s")
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"--cluster: no Dask scheduler answers at {place!r}: {error}") from error
    with client:
        yield client
