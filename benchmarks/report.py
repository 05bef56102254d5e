"""The results as tables in Markdown."""

from benchmarks.peers import PEERS


def markdown(results):
    """The report: the environment and all tables."""
    parts = [head(results)]
    parts += [f"## {title}\n\n{table(results[name])}" for name, (title, table) in TABLES.items() if name in results]
    return "\n\n".join(parts) + "\n"


def head(results):
    where = results["environment"]
    peers = ", ".join(f"{name} {version}" for name, version in results["peers"].items())
    lost = "".join(f"\n- without {name}: {why}" for name, why in results["lost"].items())
    limits = results["machine"]
    bandwidths = ", ".join(f"{rate:.0f}" for rate in limits["gigabytes_a_second"].values())
    return (
        "# Side by side\n\n"
        f"{where['when']}, {where['processor']}, {where['cores']} cores, {where['device']} ({where['backend']}), "
        f"Python {where['python']}; float32 throughout. Every number is a median over rounds in which all libraries "
        "took turns. Each library runs in its own process, and its losses in the first steps are checked against those "
        "of jaxmlp (except scikit-learn on two classes, which it trains with a single logistic output). A ratio is the "
        "time of jaxmlp over the time of the other: below 1, jaxmlp is faster; the 95 % interval of the median is in "
        "brackets.\n\n"
        f"Limits of the machine in this run: matrix products {limits['gflops_xla']:.0f} GFLOP/s by XLA, "
        f"{limits['gflops_numpy']:.0f} by NumPy; copies of 64 KiB, 1, 16 and 256 MiB on one core {bandwidths} GB/s.\n\n"
        f"Versions: {peers}.{lost}"
    )


def rows_of(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def bracket(ratio):
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def goals_table(rows):
    """For each goal: the ratio to the fastest of the group."""
    lines = []
    for row in rows:
        for group, goal in row["goal"].items():
            if group in row["best"]:
                best = row["best"][group]
                ratio = row["ratio"][best]
                met = "yes" if ratio["median"] <= goal else "**no**"
                lines.append((row["measure"], row["network"], group, best, bracket(ratio), goal, met))
    return (
        rows_of(("measurement", "network", "compared with", "which is", "ratio", "goal", "met"), lines) if lines else ""
    )


def times_table(rows):
    """Microseconds per step of every library, and the limit of the machine."""
    names = _there(rows)
    lines = [
        (
            *_what(row),
            *_cells({name: times["median"] for name, times in row["us_a_step"].items()}, names, "{:.3g}"),
            f"{row['limit_us']:.2g} ({row['limit_us'] / row['us_a_step']['jaxmlp']['median']:.0%})",
        )
        for row in rows
    ]
    return rows_of(("measurement", "network", *names, "limit (as share of jaxmlp's time)"), lines)


def checks_table(rows):
    """Proof of equal work, and the time until a user sees twenty steps: creation, compilation, steps."""
    names = [name for name in PEERS if any(name in row["first_s"] for row in rows)]
    lines = [
        (f"largest difference of a loss / first loss, {row['network']}", *_cells(row["difference"], names, "{:.0e}"))
        for row in rows
    ]
    lines += [
        (f"seconds until the end of twenty steps, {row['network']}", *_cells(row["first_s"], names, "{:.2g}"))
        for row in rows
    ]
    return rows_of(("check", *names), lines)


def memory_table(rows):
    """The peak memory of every process so far, in megabytes."""
    names = _there(rows)
    held = [{name: peak / 1e6 for name, peak in row["peak_bytes"].items()} for row in rows]
    lines = [(*_what(row), *_cells(one, names, "{:.0f}")) for row, one in zip(rows, held, strict=True)]
    return rows_of(("measurement", "network", *names), lines)


def _there(rows):
    return [name for name in PEERS if any(name in row["us_a_step"] for row in rows)]


def _what(row):
    return f"{row['measure']}{', ' + str(row['epochs']) + ' epochs' if 'epochs' in row else ''}", row["network"]


def _cells(values, names, written):
    return [written.format(values[name]) if name in values else "" for name in names]


def compared(rows):
    parts = [goals_table(rows), f"Microseconds per step of one training:\n\n{times_table(rows)}"]
    if all("peak_bytes" in row for row in rows):
        parts.append(f"Peak memory of the process until then, in megabytes:\n\n{memory_table(rows)}")
    return "\n\n".join(parts).strip()


def dropout_table(rows):
    lines = [(row["network"], row["peer"], f"{row['added']['median']:+.0%}", f"{row['goal']:.0%}") for row in rows]
    return rows_of(("network", "library", "dropout adds", "goal for jaxmlp"), lines)


def shuffling_table(rows):
    lines = [
        (
            row["network"],
            f"{row['rows']:,}",
            *(f"{row['share'][name]['median']:.1%}" for name in ("order", "permutation")),
            f"{row['goal']:.0%}",
        )
        for row in rows
    ]
    return rows_of(("network", "rows", "share of an epoch", "with jax.random.permutation", "goal"), lines)


def optimizers_table(rows):
    lines = [
        (
            row["network"],
            row["optimizer"],
            f"{row['us']['median']:.1f}",
            f"{row['us_optax']['median']:.1f}",
            bracket(row["ratio"]),
        )
        for row in rows
    ]
    return rows_of(("network", "optimizer", "jaxmlp (µs)", "optax (µs)", "ratio"), lines)


def first_result_table(row):
    parts = {name.removesuffix("_s"): f"{spread['median']:.2f}" for name, spread in row["parts"].items()}
    lines = [
        (
            "new process: import, load digits, compile, train 10 epochs",
            f"{row['cold_s']['median']:.2f}",
            row["goal_s"],
        ),
        *((f"of this, {name}", seconds, "") for name, seconds in parts.items()),
        (f"the same with a compilation cache ({row['cache_misses']} misses)", f"{row['cached_s']['median']:.2f}", ""),
        *(
            (f"study {number + 1} in one process ({study['compilations']} compilations)", f"{study['s']:.2f}", "")
            for number, study in enumerate(row["studies"])
        ),
    ]
    return rows_of(("first result", "seconds", "goal"), lines)


def scaling_table(rows):
    lines = [(row["law"], row["value"], f"{row['us_a_step']['median']:.3g}", f"{row['limit_us']:.2g}") for row in rows]
    return rows_of(("law", "value", "µs per step", "limit (µs)"), lines)


def gpu_table(rows):
    lines = [
        (
            row["network"],
            row["precision"],
            row["peer"],
            f"{row['seeds']:,}",
            f"{row['nets_a_second']['median']:.3g}",
            f"{row['share_of_float32_limit']:.0%}",
        )
        for row in rows
    ]
    return rows_of(
        ("network", "precision", "library", "seeds", "trainings per second", "share of the float32 limit"), lines
    )


TABLES = {
    "checks": ("Equal work and the first steps", checks_table),
    "step": ("One jitted step", compared),
    "run": ("A complete run: shuffled epochs, validation after each", compared),
    "seeds": ("Many seeds at once", compared),
    "dropout": ("Dropout", dropout_table),
    "shuffling": ("Shuffling", shuffling_table),
    "optimizers": ("Updates, compared with optax", optimizers_table),
    "first_result": ("From a cold start", first_result_table),
    "scaling": ("Scaling", scaling_table),
    "gpu": ("GPU", gpu_table),
}
