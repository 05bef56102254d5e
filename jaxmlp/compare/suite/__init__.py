"""Failure modes: many tiny tasks with a pass criterion, for a first look at an optimizer.

    from jaxmlp.compare import run_suite, write_suite_report

    found = run_suite({"mine": my_optimizer, "adam": "adam"})
    write_suite_report(found, "results/suite")

From the shell: `jaxmlp suite --optimizers adam,my_file.py:my_optimizer`.

task           a loss of eight numbers, its start, its solution, its tolerance
landscapes     tasks without noise
disturbances   tasks with noise, rare features, and changes over time
catalog        all of them
results        pass rates with intervals
running        all tasks and runs of an optimizer at once
report         the page and the tables
suite_command  the command line
"""

from jaxmlp.compare.suite.catalog import GROUPS, TASKS
from jaxmlp.compare.suite.report import write_suite_report
from jaxmlp.compare.suite.results import SuiteResult
from jaxmlp.compare.suite.running import run_suite
from jaxmlp.compare.suite.task import Task

__all__ = ["GROUPS", "TASKS", "SuiteResult", "Task", "run_suite", "write_suite_report"]
