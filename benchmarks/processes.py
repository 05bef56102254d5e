"""The processes of the peers, as seen by the process that orchestrates them."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks.peers import WORKERS

MOST_S = 30.0  # after this time a measurement ends once it has LEAST_ROUNDS rounds
LEAST_ROUNDS = 3
# Kills a process group, suspended processes too, once its own input ends: closed, or its writer has died.
GUARD = 'read -r _; kill -s KILL -- "-$0"'


class LostError(Exception):
    """A peer that is unavailable or crashed."""


class Process:
    """A running peer. It is suspended while others have their turn, because its waiting threads would use the cores."""

    def __init__(self, name):
        try:
            distribution = WORKERS[name][2]
            self.version = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            raise LostError(f"{distribution} is not installed: pip install '.[benchmarks]'") from None
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (stays open while the process runs)
        command = [sys.executable, "-m", "benchmarks.worker", name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors, "text": True}
        self.process = subprocess.Popen(command, **pipes, start_new_session=True)
        guard = ["sh", "-c", GUARD, str(self.process.pid)]
        quiet = {"stderr": subprocess.DEVNULL, "start_new_session": True}
        self.guard = subprocess.Popen(guard, stdin=subprocess.PIPE, **quiet)

    def wait(self):
        """Waits until the peer has imported its library."""
        self._answer()

    def ask(self, **order):
        """Resumes the peer, sends an order, and suspends it again: the answer."""
        os.killpg(self.process.pid, signal.SIGCONT)
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = self._answer()
        os.killpg(self.process.pid, signal.SIGSTOP)
        return answer

    def _answer(self):
        line = self.process.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]
        if not line:
            self.process.wait()
            self.errors.seek(0)
            lines = [line for line in self.errors.read().splitlines() if line.strip()]
            raise LostError(lines[-1] if lines else f"ended with {self.process.returncode}")
        return json.loads(line)

    def close(self):
        """Ends the peer and the processes that it started, which would keep its pipes open."""
        self.guard.communicate()
        self.process.communicate()
        self.errors.close()


class Processes:
    """All available peers; one that crashes is dropped with a message."""

    def __init__(self, names, say=print):
        self.say, self.running, self.lost, self.machine = say, {}, {}, {}
        started = {name: self._guard(name, lambda name=name: Process(name)) for name in names}
        self.running |= {name: process for name, process in started.items() if process}
        for name, process in list(self.running.items()):
            self._guard(name, process.wait)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.close()

    def _guard(self, name, action):
        try:
            return action()
        except (LostError, BrokenPipeError, ProcessLookupError, ValueError) as error:
            self.lose(name, str(error))

    def lose(self, name, why):
        """Drops a peer, with a message."""
        self.lost[name] = why
        self.say(f"without {name}: {why}")
        if name in self.running:
            self.running.pop(name).close()

    def ask(self, name, **order):
        """The answer, or None if the peer is lost."""
        return self._guard(name, lambda: self.running[name].ask(**order)) if name in self.running else None

    def prepare(self, job, names):
        """Prepares a job, `[task, method, arguments]`, in the peers that support it: seconds of their first calls."""
        first = {name: self.ask(name, prepare=job) or {} for name in names}
        for name, answer in first.items():
            if "because" in answer:
                self.say(f"{name} cannot do {job[1:]}: {answer['because']}")
        return {name: answer["first_s"] for name, answer in first.items() if "first_s" in answer}

    def in_turns(self, jobs, repeats, least_s):
        """Times a dict of (peer, job) in turns, each round starting with another one: the seconds of each."""
        seconds = {label: [] for label in jobs}
        labels, began, done = list(jobs), time.perf_counter(), 0
        while done < repeats and (done < LEAST_ROUNDS or time.perf_counter() - began < MOST_S):
            first = done % max(len(labels), 1)
            for label in labels[first:] + labels[:first]:
                name, job = jobs[label]
                answer = self.ask(name, time=[job, least_s])
                if answer:
                    seconds[label].append(answer["seconds"])
            done += 1
        return {label: rounds for label, rounds in seconds.items() if len(rounds) == done}
