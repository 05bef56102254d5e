"""The peers: how an experienced user of each library would write the same training.

A peer is a class in a module of this folder, created with a `Task`. It defines the methods it supports:

- `losses(order)`: the loss of each step on the rows of `order`, from the common initial weights; proves equal work.
- `step(count)`: `count` jitted steps on prepared batches.
- `run(epochs)`: a complete training: shuffled epochs with validation after each.
- `seeds(count, epochs)`: `count` trainings, each with its own seed.

Each peer runs in its own process, with its own threads and configuration, and returns when the work is done.
"""

# name: (module, class, distribution on PyPI)
PEERS = {
    "jaxmlp": ("ours", "Jaxmlp", "jax"),
    "optax": ("plain_jax", "Optax", "optax"),
    "optax, scan": ("plain_jax", "OptaxScan", "optax"),
    "optax, scan, sharded": ("plain_jax", "OptaxSharded", "optax"),
    "flax nnx": ("flax_nnx", "FlaxNnx", "flax"),
    "equinox": ("equinox_jit", "Equinox", "equinox"),
    "haiku": ("haiku_jit", "Haiku", "dm-haiku"),
    "keras on jax": ("keras_fit", "Keras", "keras"),
    "torch": ("torch_loop", "Torch", "torch"),
    "torch, fused Adam": ("torch_loop", "TorchFused", "torch"),
    "torch.compile": ("torch_loop", "TorchCompiled", "torch"),
    "torch, CUDA graph": ("torch_graph", "TorchGraph", "torch"),
    "torch.func": ("torch_func", "TorchFunc", "torch"),
    "scikit-learn": ("scikit_learn", "ScikitLearn", "scikit-learn"),
}
# Not peers, but timed in turns with them.
PARTNERS = {
    "jaxmlp, 1 device": ("ours", "JaxmlpOneDevice", "jax"),
    "updates": ("updates", "Updates", "optax"),
    "machine": ("machine", "Machine", "jax"),
}
WORKERS = {**PEERS, **PARTNERS}
TORCH_AND_SCIKIT_LEARN = tuple(name for name in PEERS if name.startswith(("torch", "scikit")))
