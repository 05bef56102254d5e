"""The directive `measured`: question, figures and verdicts of an experiment, from its committed results.

```{measured} xor
:figures: xor        (the stems of the figures to show; all of them by default)
```
"""

import json
from pathlib import Path

from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[2] / "experiments" / "results"
_MARKS = {True: "**yes**", False: "**no**", None: "**cannot tell**"}


class Measured(SphinxDirective):
    required_arguments = 1
    option_spec = {"figures": directives.unchanged}  # noqa: RUF012

    def run(self):
        (name,) = self.arguments
        file = RESULTS / f"{name}.json"
        self.env.note_dependency(str(file))
        record = json.loads(file.read_text(encoding="utf-8"))
        return self.parse_text_to_nodes(
            in_markdown(name, record, self.options.get("figures", "").split())
        )


def in_markdown(name, record, stems):
    images = [
        f"![{_plain(said or record['question'])}](/../experiments/results/{file})"
        for file, said in record["figures"].items()
        if file.endswith((".png", ".gif"))
        and (not stems or Path(file).stem in stems)
    ]
    verdicts = [
        f"- {_MARKS[row['holds']]}: {row['claim']} ({row['evidence']})"
        for row in record["verdicts"]
    ]
    where = record["environment"]
    machine = f"{where['processor']}, JAX {where['jax']}"
    source = f"*`python -m experiments {name}`: {record['seconds']:.0f} s of processor time on {machine}*"
    return "\n".join(
        [
            f"**Measured: {record['question']}**\n",
            *images,
            "",
            *verdicts,
            "",
            source,
        ]
    )


def _plain(text):
    """The text without what Markdown would read as markup."""
    return text.replace("[", "\\[").replace("]", "\\]").replace("*", "\\*")


def setup(app):
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True}
