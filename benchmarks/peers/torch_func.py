"""Ensembles in PyTorch: stacked parameters, `torch.func.vmap` over the gradient, one Adam for all."""

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from benchmarks.peers.torch_loop import DEVICE, best_threads, network, on_device, wait
from benchmarks.tasks import LEARNING_RATE, made_data


class TorchFunc:
    def __init__(self, task):
        self.task = task
        self.train, self.validation = map(on_device, made_data(task))
        skeleton = network(task).to("meta")

        def loss_fn(params, inputs, labels):
            return nn.functional.cross_entropy(functional_call(skeleton, params, (inputs,)), labels)

        self.gradients = vmap(grad_and_value(loss_fn), randomness="different")
        self.evaluate = vmap(loss_fn, in_dims=(0, None, None), randomness="different")
        self.tuned = False

    def fresh(self, count):
        params, _ = stack_module_state([network(self.task) for _ in range(count)])  # pyright: ignore[reportArgumentType]
        return params, torch.optim.Adam(params.values(), lr=LEARNING_RATE, fused=True)

    def train_step(self, params, optimizer, rows):
        """One step of all members, each on its own rows (count, batch)."""
        detached = {name: value.detach() for name, value in params.items()}
        grads, losses = self.gradients(detached, self.train[0][rows], self.train[1][rows])
        for name, value in params.items():
            value.grad = grads[name]
        optimizer.step()
        return losses

    def losses(self, order):
        params, optimizer = self.fresh(2)
        order = torch.from_numpy(order)
        return [float(self.train_step(params, optimizer, torch.stack([rows, rows]))[1]) for rows in order]

    def steps_of(self, count, steps):
        params, optimizer = self.fresh(count)
        for _ in range(steps):
            self.train_step(params, optimizer, torch.randint(self.task.rows, (count, self.task.batch), device=DEVICE))
        wait()

    def seeds(self, count, epochs, precision="highest"):
        torch.set_float32_matmul_precision(precision)
        if not self.tuned:
            best_threads(lambda steps: self.steps_of(count, steps))
            self.tuned = True
        params, optimizer = self.fresh(count)
        for _ in range(epochs):
            orders = torch.rand(count, self.task.rows, device=DEVICE).argsort(dim=1)
            for rows in orders.split(self.task.batch, dim=1)[: self.task.steps]:
                self.train_step(params, optimizer, rows)
            with torch.no_grad():
                self.evaluate(params, *self.validation)
        wait()
