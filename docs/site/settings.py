"""Pages of every setting, made from the schemas that check them, and of every verb, made from its own options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import typer.models
from pydantic import BaseModel

from glioray.cli import app
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.serving.settings import ServeArgs
from glioray.tasks import _contract as tasks
from glioray.tuning.ranges import Choice, Int, LogUniform, Uniform
from glioray.tuning.settings import Search

NOT_A_DEVICE = "Research use only. Not a medical device."
_WIDE = ('<div class="settings" markdown>', "")  # site.css gives the last column of its tables room
Schema = Mapping[str, Any]
_BOUNDS = {
    "minimum": "≥\N{NO-BREAK SPACE}{}",
    "exclusiveMinimum": ">\N{NO-BREAK SPACE}{}",
    "maximum": "≤\N{NO-BREAK SPACE}{}",
    "exclusiveMaximum": "<\N{NO-BREAK SPACE}{}",
    "multipleOf": "a multiple of {}",
    "minLength": "letters: {} or more",
    "minItems": "values: {} or more",
    "maxItems": "values: {} at most",
}
_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "none",
    "object": "mapping",
}


class Field(NamedTuple):
    """One row of a table: what the schema says of a setting."""

    path: str
    kind: str
    bounds: str
    default: str
    text: str


def pages() -> dict[str, str]:
    """Markdown by the path of its page."""
    return {
        "settings/commands.md": commands_page(),
        "settings/recipe.md": recipe_page(),
        "settings/architectures.md": architectures_page(),
        "settings/search.md": search_page(),
        "settings/service.md": service_page(),
    }


def recipe_page() -> str:
    """`recipe:` of a file in `search_spaces/`; model and loss depend on others, so they have tables of their own."""
    fields = [field for field in fields_of(Recipe) if field.path not in ("model", "loss")]
    parts = {"The run": [field for field in fields if "." not in field.path]}
    for field in fields:
        if "." in field.path:
            parts.setdefault(field.path.partition(".")[0], []).append(field)
    losses: tuple[tasks.TaskName, ...] = ("classification", "segmentation")
    for task in losses:
        parts[f"loss, {task}"] = fields_of(tasks.loss_config(task), "loss.")
    intro = (
        "What stands under `recipe:` in a file of `search_spaces/`. `--set PATH=VALUE` changes one of them; all are "
        "checked before anything starts. What stands under `model` depends on the architecture: "
        "[Architectures](architectures.md)."
    )
    return page("A recipe", intro, parts)


def architectures_page() -> str:
    """Under `model:`, by architecture."""
    parts, about = {}, {}
    for name in models.names():
        config = models.load(name).Config
        parts[name] = [field for field in fields_of(config, "model.") if field.path != "model.name"]
        about[name] = f"For {config.task}. {models.title(name)}"
    intro = "What stands under `model:` of a recipe, by the `name` of the architecture, which stands there too."
    return page("Architectures", intro, parts, about)


def search_page() -> str:
    """`search:` of a file in `search_spaces/`."""
    parts = {"The search": fields_of(Search, "search.")}
    kinds = {"uniform": Uniform, "log_uniform": LogUniform, "int, log_int": Int, "choice": Choice}
    parts |= {f"space, kind {name}": fields_of(kind, "search.space.PATH.") for name, kind in kinds.items()}
    intro = "What stands under `search:` in a file of `search_spaces/`: [Searching for a recipe](../tuning.md)."
    return page("A search", intro, parts)


def service_page() -> str:
    """`args:` of a file in `serve/`."""
    fields = fields_of(ServeArgs)
    parts = {
        "The service": [field for field in fields if not field.path.startswith("volumes.")],
        "Volumes": [field for field in fields if field.path.startswith("volumes.")],
    }
    intro = "What stands under `args:` in a file of `serve/`: [Serving](../serving.md)."
    return page("A service", intro, parts)


def commands_page() -> str:
    """What `glioray VERB --help` says."""
    lines = ["# The command line", "", str(app.info.help), "", *_WIDE]
    verbs = {verb.callback.__name__: verb.callback for verb in app.registered_commands if verb.callback}
    for name, verb in sorted(verbs.items()):
        lines += [f"## glioray {name}", "", str(inspect.getdoc(verb)).partition("\n")[0], ""]
        rows = [_option(parameter) for parameter in inspect.signature(verb, eval_str=True).parameters.values()]
        lines += table(("argument or option", "default", "what it is"), rows)
    return "\n".join([*lines, "</div>", ""])


def _option(parameter: inspect.Parameter) -> tuple[str, str, str]:
    kind, info = parameter.annotation, None
    if get_origin(kind) is Annotated:
        kind, info = get_args(kind)
    # Within Annotated typer takes the first name for a default.
    given = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)] if info else []
    is_argument = isinstance(info, typer.models.ArgumentInfo)
    names = [parameter.name.upper()] if is_argument else given or [f"--{parameter.name.replace('_', '-')}"]
    choices = [part for one in (kind, *get_args(kind)) if get_origin(one) is Literal for part in get_args(one)]
    text = " ".join(part for part in (info.help if info else "", f"({', '.join(choices)})" if choices else "") if part)
    default = "required" if parameter.default is parameter.empty else _written(parameter.default)
    return " ".join(f"`{name}`" for name in names), default, text


def fields_of(model: type[BaseModel], prefix: str = "") -> list[Field]:
    """Every setting of a schema, those of its sections by dotted paths."""
    schema = model.model_json_schema()
    return list(_fields(schema, schema.get("$defs", {}), prefix))


def _fields(schema: Schema, parts: Mapping[str, Schema], prefix: str) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        inner = parts.get(str(given.get("$ref", "")).rpartition("/")[2])
        if inner and "properties" in inner and name not in ("model", "loss"):
            yield from _fields(inner, parts, f"{prefix}{name}.")
            continue
        default = "required" if name in required else _written(given.get("default"))
        choice = {**(inner or {}), **given}
        bounds = ", ".join(_bounds(choice))
        yield Field(f"{prefix}{name}", _kind(choice, parts), bounds, default, given.get("description", ""))


def _kind(schema: Schema, parts: Mapping[str, Schema]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one, parts) for one in schema["anyOf"]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return _kind(parts[schema["$ref"].rpartition("/")[2]], parts)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], parts)}" if "items" in schema else "list"
    return _TYPES.get(str(schema.get("type")), "anything")


def _bounds(schema: Schema) -> Iterator[str]:
    yield from (text.format(f"{schema[key]:,}") for key, text in _BOUNDS.items() if key in schema)
    for one in schema.get("anyOf", ()):
        yield from _bounds(one)
    if items := schema.get("items"):
        yield from (f"each {bound}" for bound in _bounds(items))


def _written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != "" else "empty"


def page(title: str, intro: str, parts: Mapping[str, list[Field]], about: Mapping[str, str] | None = None) -> str:
    """A table for each part."""
    lines = [
        f"# {title}",
        "",
        NOT_A_DEVICE,
        "",
        intro,
        "",
        "Made from the schemas that check the settings.",
        "",
        *_WIDE,
    ]
    for name, fields in parts.items():
        lines += [f"## {name}", "", *([about[name], ""] if about else [])]
        rows = [(f"`{one.path}`", one.kind, one.bounds, one.default, one.text) for one in fields]
        lines += table(("setting", "kind", "bounds", "default", "what it does"), rows)
    return "\n".join([*lines, "</div>", ""])


def table(heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lines of a table of Markdown, and an empty one."""
    heads = tuple(heads)
    cells = [heads, ("---",) * len(heads), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return [*(f"| {' | '.join(row)} |" for row in cells), ""]
