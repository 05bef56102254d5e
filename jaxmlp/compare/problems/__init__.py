"""The problems of a comparison, by name. Your own takes a few lines in a file:

    # my_problem.py
    import jaxmlp
    from jaxmlp.compare import Problem

    def network(optimizer):
        return jaxmlp.classifier((2, 32, 2), optimizer=optimizer, l2=1e-4)

    moons = Problem("moons", "two half-moons", jaxmlp.load("moons"), network, epochs=30, target=0.95)

Then run `jaxmlp compare --problems my_problem.py:moons`, or call `compare("adam,momentum", moons)`.

problem       Problem: data, learner, budget, metric, target
networks      networks on data sets
surfaces      Rosenbrock, Beale, Branin, two wells
quadratic     DeepOBS's quadratic_deep
autoencoders  deep autoencoders of digits and Fashion-MNIST
obstacles     digits with a bad initialization, and with wrong labels
rarities      tables of rare words and rare classes, with known best scores
conditioning  an ill-conditioned and a noisy quadratic with known answers
lookup        a problem by its name, path or file
"""

from jaxmlp.compare.problems.lookup import PROBLEMS, ProblemLike, find_problem, is_table
from jaxmlp.compare.problems.networks import network
from jaxmlp.compare.problems.problem import Problem

__all__ = ["PROBLEMS", "Problem", "ProblemLike", "find_problem", "is_table", "network"]
