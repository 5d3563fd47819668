"""The model card of a bundle, as Markdown: what it is, what it learned from, how good, what it is not for.

Source of the form: Mitchell 2019, "Model Cards for Model Reporting", arXiv 1810.03993.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glioray.registry.bundle import BundleConfig, Score

NOT_A_DEVICE = "Research use only. Not a medical device: no decision about a patient may rest on it."


def render_card(config: BundleConfig) -> str:
    """The card as Markdown."""
    recipe, contents, signature = config.recipe, config.contents, config.signature
    data = (
        f"fingerprint `{config.data_fingerprint}`, {signature.image_size} px, channels {', '.join(contents.channels)}"
    )
    lines = [
        f"# {recipe['model']['name']} for {contents.task}",
        "",
        f"> {NOT_A_DEVICE}",
        *_warnings(config),
        "",
        f"- **Answers:** {', '.join(contents.outputs)}",
        f"- **Data:** {data}",
        f"- **Source of the data:** {contents.citation}",
        f"- **Epoch:** {config.epoch} of {recipe['budget']['epochs']}, chosen on validation; seed {recipe['seed']}",
        f"- **Made with:** {', '.join(f'{name} {version}' for name, version in config.versions.items())}",
        "",
        "## Scores",
        "",
        *_score_table(config.scores, config.leak),
        "",
        "## Limits",
        "",
        "- Scores hold for images like those it learned from: scanner, sequence, slice direction and disease.",
        "- Anything else gets an answer all the same, and the answer means nothing.",
        "- The confidence is the model's own and is not calibrated.",
        "",
    ]
    return "\n".join(lines)


def describe(score: Score, leak: str | None) -> str:
    """One score in a line, with its interval, split, units, seed and, where it leaks, that it does."""
    interval = f" [{score.low:.3f}, {score.high:.3f}]" if score.low is not None and score.high is not None else ""
    line = f"{score.value:.3f}{interval}, {score.split}, {score.units} {score.unit}, seed {score.seed}"
    return f"{line} ({leak})" if leak else line


def headline(config: BundleConfig) -> str:
    """The first score in a line, or that there is none."""
    if not config.scores:
        return "not evaluated"
    return f"{config.scores[0].name} {describe(config.scores[0], config.leak)}"


def _warnings(config: BundleConfig) -> list[str]:
    found = []
    if config.contents.synthetic:
        found += [
            ">",
            "> SYNTHETIC: learned from a phantom, not from patients. It knows nothing of real scans.",
        ]
    if config.leak:
        found += [">", f"> {config.leak}."]
    return found


def _score_table(scores: tuple[Score, ...], leak: str | None) -> list[str]:
    if not scores:
        return ["None yet: run `glioray evaluate`."]
    rows = [f"| {score.name} | {describe(score, leak)} |" for score in scores]
    return ["| figure | value [95 % interval], split, size, seed |", "|---|---|", *rows]
