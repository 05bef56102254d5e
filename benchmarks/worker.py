"""One peer in its own process: reads orders as lines of JSON from the standard input and answers line by line.

{"prepare": [task, method, arguments]}  calls the method once                 -> {"first_s": ...}
{"losses": [task, order]}               the losses of the first steps         -> {"losses": [...], "first_s": ...}
{"time": [job, least_s]}                calls a job until the time is over    -> {"seconds": per call}
{"memory": []}                          the most memory used so far           -> {"peak_bytes": ...}
{"describe": []}                        the machine                           -> {"processor": ..., ...}
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
            # Out of memory has many names: the peer stays alive but cannot do this job.
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
        """The peak memory of the process so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"peak_bytes": peak * (1 if sys.platform == "darwin" else 1024)}

    def describe(self):
        return importlib.import_module("benchmarks.peers.machine").description()


def main():
    warnings.simplefilter("ignore")
    # Output of the libraries must not mix with the answers.
    with os.fdopen(os.dup(1), "w") as answers, contextlib.redirect_stdout(sys.stderr):
        worker = Worker(sys.argv[1])
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            order, arguments = next(iter(json.loads(line).items()))
            print(json.dumps(getattr(worker, order)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
