"""The peers: how a user of each library would write the same training, at its best idiom.

A peer is a class in a module of this folder, made with a `Task`. What it cannot do it does not define.

- `losses(order)`: the loss of each step on the rows of `order`, from the common initial weights: proves equal work.
- `step(count)`: that many jitted steps on batches that lie ready.
- `run(epochs)`: a whole training: shuffled epochs, a look at the validation rows after each.
- `seeds(count, epochs)`: that many trainings with seeds of their own.

Each runs in a process of its own, with its own threads and configuration, and returns when the work is done.
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
# Not peers, but taken in turns with them.
PARTNERS = {
    "jaxmlp, 1 device": ("ours", "JaxmlpOneDevice", "jax"),
    "updates": ("updates", "Updates", "optax"),
    "machine": ("machine", "Machine", "jax"),
}
WORKERS = {**PEERS, **PARTNERS}
TORCH_AND_SCIKIT_LEARN = tuple(name for name in PEERS if name.startswith(("torch", "scikit")))
