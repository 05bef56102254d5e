"""Keras on JAX: `model.fit` and `train_on_batch`, compiled."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras

from benchmarks.tasks import BATCHES, LEARNING_RATE, made_data, made_order, made_params


class Keras:
    def __init__(self, task):
        self.task = task
        self.train, self.validation = made_data(task)
        self.batches = [(self.train[0][rows], self.train[1][rows]) for rows in made_order(task, BATCHES)]
        self.model = self.fresh()

    def fresh(self):
        layers = [keras.Input(self.task.sizes[:1])]
        for width in self.task.sizes[1:-1]:
            layers.append(keras.layers.Dense(width, activation="relu"))
            if self.task.dropout is not None:
                layers.append(keras.layers.Dropout(self.task.dropout))
        model = keras.Sequential([*layers, keras.layers.Dense(self.task.sizes[-1])])
        model.set_weights([array for layer in made_params(self.task) for array in (layer["w"], layer["b"])])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8), loss, jit_compile=True)
        return model

    def losses(self, order):
        model, losses = self.fresh(), []
        for rows in order:
            model.reset_metrics()
            losses.append(float(model.train_on_batch(self.train[0][rows], self.train[1][rows])))
        return losses

    def step(self, count):
        for number in range(count):
            self.model.train_on_batch(*self.batches[number % BATCHES])

    def run(self, epochs):
        """Continues with the same model, which is compiled once: only the speed matters here, not the weights."""
        options = {"batch_size": self.task.batch, "epochs": epochs, "verbose": 0, "shuffle": True}
        self.model.fit(*self.train, validation_data=self.validation, validation_batch_size=256, **options)
