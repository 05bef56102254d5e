"""Measures the speed of jaxmlp beside its alternatives: the same work, taken in turns, in one run.

    python -m benchmarks              everything, about forty minutes
    python -m benchmarks --quick      two networks, fewer rounds and parts, under three minutes
    python -m benchmarks --only step,run

`pip install '.[benchmarks]'` installs the peers; a missing one is left out, with a message. Results are written to
benchmarks/results/: results.json (or quick.json), a table in Markdown, and figures.
"""

import argparse
import json
import platform
import time
from pathlib import Path

from benchmarks import measures
from benchmarks.drawing import figures
from benchmarks.first_result import first_result
from benchmarks.gpu import gpu
from benchmarks.limits import measured
from benchmarks.peers import PEERS, WORKERS
from benchmarks.processes import Processes
from benchmarks.report import TABLES, markdown
from benchmarks.scaling import scaling
from experiments.figures import save

PARTS = {
    "step": measures.step,
    "run": measures.run,
    "seeds": measures.seeds,
    "dropout": measures.dropout,
    "shuffling": measures.shuffling,
    "optimizers": measures.optimizers,
    "first_result": first_result,
    "scaling": scaling,
    "gpu": gpu,
}
# Workers that only one part uses.
ONLY_FOR = {"updates": "optimizers", "jaxmlp, 1 device": "scaling"}
QUICK = ("step", "run", "seeds", "shuffling", "first_result")


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two networks, fewer rounds and parts")
    parser.add_argument("--only", help=f"parts to run, comma-separated, of {', '.join(PARTS)}")
    parser.add_argument("--without", default="", help="peers to leave out, separated by semicolons")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder to write to")
    options = parser.parse_args(arguments)
    options.only = options.only.split(",") if options.only else [*(QUICK if options.quick else PARTS)]
    unknown = [name for name in options.only if name not in PARTS]
    if unknown:
        parser.error(f"--only must be some of {', '.join(PARTS)}, got {', '.join(unknown)}")
    options.without = [name.strip() for name in options.without.split(";") if name.strip()]
    unknown = [name for name in options.without if name not in PEERS or name == "jaxmlp"]
    if unknown:
        parser.error(f"--without must be some of {'; '.join(PEERS)} (not jaxmlp), got {'; '.join(unknown)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    effort = measures.QUICK if options.quick else measures.FULL
    began = time.perf_counter()
    idle = [name for name, part in ONLY_FOR.items() if part not in options.only]
    names = [name for name in WORKERS if name not in (*options.without, *idle)]
    with Processes(names, say) as processes:
        for results in measured_parts(processes, effort, options.only):
            results["seconds"] = round(time.perf_counter() - began)
            write(results, options.out, "quick" if options.quick else "results")
    say(f"{results['seconds']} s; the table, the figures and the JSON are in {options.out}")


def measured_parts(processes, effort, only):
    """Runs the parts, prints each as it ends, and yields the results so far."""
    where = processes.ask("machine", describe=[])
    processes.machine = measured(processes, effort)
    results = {
        "environment": {**where, "python": platform.python_version(), "when": time.strftime("%Y-%m-%d")},
        "machine": processes.machine,
        "effort": {**effort._asdict(), "networks": [task.name for task in effort.networks]},
    }
    began = time.perf_counter()
    results["checks"] = measures.check(processes, effort)
    show("checks", results["checks"], time.perf_counter() - began)
    yield results | who(processes)
    for name in only:
        if name == "gpu" and where["backend"] == "cpu":
            say("gpu: left out, because JAX finds no GPU here")
            continue
        began = time.perf_counter()
        results[name] = PARTS[name](processes, effort)
        show(name, results[name], time.perf_counter() - began)
        yield results | who(processes)


def who(processes):
    """Versions of the peers that took part, and the reasons why others did not."""
    versions = {name: process.version for name, process in processes.running.items() if name in PEERS}
    return {"peers": versions, "lost": processes.lost}


def show(name, rows, seconds):
    title, table = TABLES[name]
    say(f"\n## {title} ({seconds:.0f} s)\n\n{table(rows)}")


def write(results, folder, name):
    """Writes JSON, table and figures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / f"{name}.md").write_text(markdown(results))
    for label, figure in figures(results).items():
        save(figure, folder / f"{name}_{label}.png")


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    main()
