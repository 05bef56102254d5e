"""All tasks of the suite, in the order of the tables."""

from jaxmlp.compare.suite.disturbances import DISTURBANCES
from jaxmlp.compare.suite.landscapes import LANDSCAPES
from jaxmlp.compare.suite.task import Task

TASKS: tuple[Task, ...] = (*LANDSCAPES, *DISTURBANCES)
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(task.group for task in TASKS))
