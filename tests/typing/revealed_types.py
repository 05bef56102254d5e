"""What an editor knows of the results of public functions. pyright checks this file; nothing runs it."""

from collections.abc import Callable
from typing import assert_type

import jax
import pandas as pd

import jaxmlp
from jaxmlp.training import TrainState
from jaxmlp.types import Metrics, PyTree


def known(key: jax.Array, data: jaxmlp.Data) -> None:
    optimizer = jaxmlp.adam(1e-3)
    learner = jaxmlp.classifier((64, 10), optimizer=optimizer)
    result = jaxmlp.fit(key, learner, data, epochs=2)
    study = jaxmlp.train_many(lambda rate: learner, data, seeds=2, epochs=2, rate=[0.1])

    assert_type(data, jaxmlp.Data)
    assert_type(data.train, jaxmlp.Batch)
    assert_type(optimizer, jaxmlp.Optimizer)
    assert_type(learner, jaxmlp.Learner)
    assert_type(result, jaxmlp.Result)
    assert_type(result.history, dict[str, jax.Array])
    assert_type(result.best_epoch, jax.Array)
    assert_type(result.reason, str)
    assert_type(study, jaxmlp.Study)
    assert_type(study.table(), pd.DataFrame)
    assert_type(jaxmlp.load_study("results"), jaxmlp.Study)
    assert_type(
        jaxmlp.make_train_step(lambda *_: 0.0, optimizer), Callable[[TrainState, PyTree], tuple[TrainState, Metrics]]
    )
