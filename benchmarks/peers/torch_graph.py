"""A PyTorch step as a CUDA graph: recorded once and replayed without Python between kernels. Needs a GPU."""

import torch
from torch import nn

from benchmarks.peers.torch_loop import Torch
from benchmarks.tasks import LEARNING_RATE


class TorchGraph(Torch):
    def __init__(self, task):
        if not torch.cuda.is_available():
            raise RuntimeError("CUDA graphs need a GPU")
        super().__init__(task)

    def fresh(self):
        model, _, _ = super().fresh()
        optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True, capturable=True)
        inputs, labels = (part[: self.task.batch].clone() for part in self.train)
        weights = [parameter.detach().clone() for parameter in model.parameters()]
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):  # pyright: ignore[reportArgumentType]
            for _ in range(3):  # lazy allocations must happen before the recording
                self.eager_step(model, optimizer, inputs, labels)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.eager_step(model, optimizer, inputs, labels)
        with torch.no_grad():
            for parameter, first in zip(model.parameters(), weights, strict=True):
                parameter.copy_(first)
        for state in optimizer.state.values():
            for value in state.values():
                value.zero_()
        return model, (graph, inputs, labels, loss), optimizer

    def eager_step(self, model, optimizer, inputs, labels):
        optimizer.zero_grad(set_to_none=False)
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        return loss

    def train_step(self, state, inputs, labels):
        _, (graph, held_inputs, held_labels, loss), _ = state
        held_inputs.copy_(inputs)
        held_labels.copy_(labels)
        graph.replay()
        return loss.detach()
