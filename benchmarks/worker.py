"""One peer in a process of its own: it takes orders as lines of JSON from the standard input, and answers by lines.

{"prepare": [task, method, arguments]}  makes it ready by calling it once     -> {"first_s": ...}
{"losses": [task, order]}               the losses of the first steps         -> {"losses": [...], "first_s": ...}
{"time": least_s}                       calls it until that time is over      -> {"seconds": a call's}
{"memory": 1}                                                                 -> {"peak_bytes": ...}
"""

import contextlib
import importlib
import json
import os
import resource
import sys
import time
import warnings

import numpy as np

from benchmarks.peers import WORKERS
from benchmarks.tasks import Task


class Worker:
    def __init__(self, name):
        module, cls, _ = WORKERS[name]
        self.make = getattr(importlib.import_module(f"benchmarks.peers.{module}"), cls)
        self.peers, self.ready = {}, {}

    def peer(self, task):
        task = Task(tuple(task[0]), *task[1:])
        if task not in self.peers:
            self.peers[task] = self.make(task)
        return self.peers[task]

    def prepare(self, task, method, arguments):
        began = time.perf_counter()
        call = getattr(self.peer(task), method, None)
        if call is None:
            return {}
        try:
            call(*arguments)
        except (MemoryError, RuntimeError, ValueError) as error:
            # Out of memory goes by many names: the peer lives on, and cannot do this.
            return {"because": str(error).splitlines()[0]}
        self.ready[json.dumps([task, method, arguments])] = lambda: call(*arguments)
        return {"first_s": time.perf_counter() - began}

    def losses(self, task, order):
        began = time.perf_counter()
        method = getattr(self.peer(task), "losses", None)
        losses = None if method is None else method(np.asarray(order))
        return {} if losses is None else {"losses": losses, "first_s": time.perf_counter() - began}

    def time(self, job, least):
        call, count, began = self.ready[json.dumps(job)], 0, time.perf_counter()
        while count == 0 or time.perf_counter() - began < least:
            call()
            count += 1
        return {"seconds": (time.perf_counter() - began) / count}

    def memory(self):
        """The most memory held so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"peak_bytes": peak * (1 if sys.platform == "darwin" else 1024)}

    def describe(self):
        return importlib.import_module("benchmarks.peers.machine").description()


def main():
    warnings.simplefilter("ignore")
    # Whatever a library prints must not get between the answers.
    with os.fdopen(os.dup(1), "w") as answers, contextlib.redirect_stdout(sys.stderr):
        worker = Worker(sys.argv[1])
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            order, arguments = next(iter(json.loads(line).items()))
            print(json.dumps(getattr(worker, order)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
