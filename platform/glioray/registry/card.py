"""The model card of a bundle, as Markdown: what it is, what it learned from, how good, what it is not for.

Source of the form: Mitchell 2019, "Model Cards for Model Reporting", arXiv 1810.03993.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from glioray.pages import counted

if TYPE_CHECKING:
    from glioray.registry.bundle import BundleConfig, Score

NOT_A_DEVICE = "Research use only. Not a medical device: no decision about a patient may rest on it."


def render_card(config: BundleConfig) -> str:
    """The card as Markdown."""
    contents, size = config.contents, f"{config.signature.image_size} px"
    lines = [
        f"# {config.architecture} for {contents.task}",
        "",
        f"> {NOT_A_DEVICE}",
        *_warnings(config),
        "",
        f"- **Answers:** {', '.join(contents.outputs)}",
        *_training(config),
        *_answering(config),
        f"- **Made with:** {', '.join(f'{name} {version}' for name, version in config.versions.items())}",
        "",
        "## Intended use",
        "",
        "- For research: to compare methods, and to look at what a network learns from MRI.",
        "- By people who can judge the images for themselves.",
        f"- Not for diagnosis, triage, screening or treatment; not for other images than {_images(config)}.",
        "",
        "## Training data",
        "",
        f"- **Data:** fingerprint `{config.data_fingerprint}`, {size}, channels {', '.join(contents.channels)}",
        f"- **Source of the data:** {contents.citation}",
        f"- **Learned from:** {_learned_from(config)}",
        "",
        "## Evaluation data and scores",
        "",
        _evaluated(config),
        "",
        *_score_table(config.scores, config.leak),
        "",
        *_members(config),
        "## Limits",
        "",
        "- Scores hold for images like those it learned from: scanner, sequence, slice direction and disease.",
        "- Anything else gets an answer all the same, and the answer means nothing.",
        f"- {_confidence(config)}",
        "- Scores are not broken down by age, sex, scanner or hospital: the data do not name them for every image.",
        "",
        "## Ethical considerations",
        "",
        f"- {_whose(config)}",
        "- A map or a probability persuades more than it proves: a wrong one looks like a right one.",
        "- Who is rare in the data (children, rare tumors, operated patients) is answered worse, and no score says so.",
        "",
    ]
    return "\n".join(lines)


def _images(config: BundleConfig) -> str:
    """What it may be shown."""
    channels, drawn = config.contents.channels, " drawn by a program" if config.contents.synthetic else ""
    return f"slices of brain MRI{drawn} with the {'channels' if len(channels) > 1 else 'channel'} {', '.join(channels)}"


def _learned_from(config: BundleConfig) -> str:
    known = counted(len(config.learned_from), "scans") + " of train and val" if config.learned_from else "scans"
    return f"{known}, with the data's own labels; glioray has checked no label"


def _evaluated(config: BundleConfig) -> str:
    """Which images the scores are over."""
    if not config.scores:
        return "Not evaluated."
    apart = (
        "on a published split that does not keep copies apart, so that the scores are too high"
        if config.leak
        else "on a side of the split that nothing was learned from"
    )
    return (
        f"Of the source of the training data, {apart}. Images of another hospital may be answered worse. Intervals are "
        "by bootstrap over the units named."
    )


def _whose(config: BundleConfig) -> str:
    """Whose images are in the weights."""
    if config.contents.synthetic:
        return "No scan of a patient is in it: its images were drawn on an atlas."
    return (
        "It learned from scans of patients. It holds weights, statistics of its images and hashes of the scans, no "
        "image and no name; that an image was among them may all the same be guessed from how sure it is."
    )


def _confidence(config: BundleConfig) -> str:
    """Whether a probability may be taken by its word."""
    found = config.calibration
    if found is None:
        return "The model's own figures of how sure it is are not calibrated."
    return (
        f"Confidence: calibrated by a temperature of {found.temperature:.2f}; expected calibration error on val "
        f"{found.ece_before:.3f} before and {found.ece_after:.3f} after, {counted(found.units, found.unit)}, where it "
        "was chosen; `ece` among the scores is that on test."
    )


def describe(score: Score, leak: str | None) -> str:
    """One score in a line, with its interval, split, units, seed and, where it leaks, that it does."""
    number = f"{{:.{max(digits(score.name), 3)}f}}".format
    interval = f" [{', '.join(map(number, score.ends))}]" if score.ends else ""
    line = (
        f"{number(score.value)}{interval}, {score.split}, {counted(score.units, score.unit)}, {seed_text(score.seed)}"
    )
    return f"{line} ({leak})" if leak else line


def digits(name: str) -> int:
    """After the point of a figure: three of a share, one of a distance in mm or px, more of a false positive rate."""
    return next((number for part, number in _DIGITS.items() if part in name.partition("/")[0]), 3)


_DIGITS = {"hd95": 1, "_ml": 2, "_px": 0, "fpr": 5, "false_lesions": 2}


def seed_text(seed: int | tuple[int, ...]) -> str:
    """`seed 0`, or of an average `seeds 0, 1, 2`."""
    return f"seed {seed}" if isinstance(seed, int) else f"seeds {', '.join(map(str, seed))}"


def headline(config: BundleConfig) -> str:
    """The first score in a line, or that there is none."""
    what = f"average of {len(config.members)}, " if config.members else ""
    return what + _first_score(config.scores, config.leak)


def answering(config: BundleConfig) -> tuple[str, ...]:
    """What is done to the outputs of the network before they are an answer; nothing, mostly."""
    done = []
    if config.members:
        done.append(f"probabilities averaged over {len(config.members)} models")
    if copies := _MIRRORED[config.flips]:
        done.append(f"averaged over the image and its {copies}")
    if config.smallest_part_px:
        done.append(f"parts of the mask under {config.smallest_part_px} px removed")
    return tuple(done)


_MIRRORED = {
    "none": "",
    "horizontal": "copy mirrored left-right",
    "both": "copies mirrored left-right, up-down, and both",
}


def _first_score(scores: tuple[Score, ...], leak: str | None) -> str:
    return f"{scores[0].name} {describe(scores[0], leak)}" if scores else "not evaluated"


def _training(config: BundleConfig) -> list[str]:
    if config.members:
        return []
    epochs = config.recipe["budget"]["epochs"]
    return [f"- **Epoch:** {config.epoch} of {epochs}, chosen on validation; {seed_text(config.seed)}"]


def _answering(config: BundleConfig) -> list[str]:
    done = answering(config)
    return [f"- **Answering:** {'; '.join(done)}"] if done else []


def _members(config: BundleConfig) -> list[str]:
    """A row a member, with its own score, which says nothing of the average."""
    if not config.members:
        return []
    rows = [
        f"| {member.recipe['model']['name']} | {member.recipe['seed']} | {member.epoch} | `{member.data_fingerprint}` "
        f"| {_first_score(member.scores, member.leak)} |"
        for member in config.members
    ]
    return ["## Members", "", "| model | seed | epoch | data | its score alone |", "|---|---|---|---|---|", *rows, ""]


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
