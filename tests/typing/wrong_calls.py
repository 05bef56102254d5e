"""Calls that a type checker must flag. pyright checks this file; nothing runs it.

A comment that ignores an error which is not reported is an error itself (see `[tool.pyright]` in pyproject.toml), so a
lost annotation fails the check.
"""

import jax

import jaxmlp


def wrong_calls(key: jax.Array, data: jaxmlp.Data, learner: jaxmlp.Learner) -> None:
    jaxmlp.adam("fast")  # pyright: ignore[reportArgumentType]
    jaxmlp.adam(1e-3, nesterov="yes")  # pyright: ignore[reportArgumentType]
    jaxmlp.momentum(0.1, decay="high")  # pyright: ignore[reportArgumentType]
    jaxmlp.cosine_decay_schedule(0.1, decay_steps=None)  # pyright: ignore[reportArgumentType]
    jaxmlp.classifier((2, 2))  # pyright: ignore[reportCallIssue]
    jaxmlp.classifier(10, optimizer=jaxmlp.adam(1e-3))  # pyright: ignore[reportArgumentType]
    jaxmlp.regressor((2, 1), optimizer="adam")  # pyright: ignore[reportArgumentType]
    jaxmlp.fit(key, learner, data, epochs="ten")  # pyright: ignore[reportArgumentType]
    jaxmlp.fit(key, learner, data)  # pyright: ignore[reportCallIssue]
    jaxmlp.fit(key, learner, data, epochs=1, patiance=3)  # pyright: ignore[reportCallIssue]
    jaxmlp.fit(key, learner, "digits", epochs=1)  # pyright: ignore[reportArgumentType]
    jaxmlp.train_many(lambda rate: learner, data, seeds="five", epochs=1)  # pyright: ignore[reportArgumentType]
