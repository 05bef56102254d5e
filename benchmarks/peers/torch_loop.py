"""PyTorch: the loop of its tutorials, with default Adam, with fused Adam, and with model and loss compiled."""

import time

import torch
from torch import nn

from benchmarks.tasks import BATCHES, LEARNING_RATE, made_data, made_order, made_params

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def network(task):
    """The model with the common initial weights."""
    layers = []
    for number, values in enumerate(made_params(task)):
        linear = nn.Linear(*values["w"].shape)
        linear.weight.data, linear.bias.data = torch.from_numpy(values["w"].T.copy()), torch.from_numpy(values["b"])
        layers.append(linear)
        if number < len(task.sizes) - 2:
            layers.append(nn.ReLU())
            if task.dropout is not None:
                layers.append(nn.Dropout(task.dropout))
    return nn.Sequential(*layers).to(DEVICE)


def on_device(part):
    inputs, labels = part
    return torch.from_numpy(inputs).to(DEVICE), torch.from_numpy(labels).long().to(DEVICE)


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def best_threads(work):
    """Sets the faster number of threads: one (small networks) or all (large ones)."""
    seconds = {}
    for threads in dict.fromkeys((torch.get_num_threads(), 1)):
        torch.set_num_threads(threads)
        work(10)
        began = time.perf_counter()
        work(20)
        seconds[threads] = time.perf_counter() - began
    torch.set_num_threads(min(seconds, key=seconds.__getitem__))


class Torch:
    fused = compiled = False

    def __init__(self, task):
        self.task = task
        self.train, self.validation = map(on_device, made_data(task))
        self.batches = [self.rows(torch.from_numpy(rows)) for rows in made_order(task, BATCHES)]
        self.state = self.fresh()
        best_threads(self.step)

    def rows(self, rows):
        return self.train[0][rows], self.train[1][rows]

    def fresh(self):
        model = network(self.task)
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=self.fused or None)

        def loss_fn(inputs, labels):
            return nn.functional.cross_entropy(model(inputs), labels)

        return model, torch.compile(loss_fn) if self.compiled else loss_fn, optimizer

    def train_step(self, state, inputs, labels):
        _, loss_fn, optimizer = state
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(inputs, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def losses(self, order):
        state = self.fresh()
        return [float(self.train_step(state, *self.rows(torch.from_numpy(rows)))) for rows in order]

    def step(self, count):
        for number in range(count):
            self.train_step(self.state, *self.batches[number % BATCHES])
        wait()

    def run(self, epochs):
        """Continues with the same model, which is compiled once: only the speed matters here, not the weights."""
        model, _, _ = self.state
        for _ in range(epochs):
            model.train()
            order = torch.randperm(self.task.rows, device=DEVICE)
            for rows in order.split(self.task.batch)[: self.task.steps]:
                self.train_step(self.state, *self.rows(rows))
            model.eval()
            with torch.no_grad():
                nn.functional.cross_entropy(model(self.validation[0]), self.validation[1])
        wait()


class TorchFused(Torch):
    fused = True


class TorchCompiled(TorchFused):
    compiled = True
