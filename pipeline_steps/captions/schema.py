"""What a model is asked to report of an image: a fixed set of short entries, checked before anything uses them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, create_model

# DermaFlux (arXiv 2603.16392, project page): asymmetry, border irregularity and colour. LesionGen (arXiv 2507.23001,
# code): twelve entries. The explanations are ours. What the shipped captioner knows of images (marks) is ours too.
SCHEMAS: dict[str, dict[str, str]] = {
    "dermaflux": {
        "asymmetry": "how symmetric the lesion is",
        "border": "how regular and how sharp its border is",
        "colour": "its colours",
    },
    "lesiongen": {
        "patient_information": "body site, if it can be seen",
        "colour": "its main colour",
        "colour_variability": "how the colour varies within it",
        "shape": "its shape",
        "shape_variability": "how symmetric the shape is",
        "size": "its size in the picture: small, medium or large",
        "border": "how regular and how sharp its border is",
        "texture": "its surface, such as smooth, scaly, crusted, ulcerated",
        "dermoscopic_patterns": "patterns such as vessels, network, dots",
        "elevation": "flat, plaque, papule, nodule",
        "skin_type": "the tone of the skin around it",
        "other": "anything else that helps to recognise it",
    },
    "marks": {
        "shape": "the shapes that are there",
        "colour": "their colours",
        "size": "their sizes: small, medium or large",
        "texture": "the surface, such as smooth, scaly, crusted",
        "elevation": "flat, nodule, nodules",
        "arrangement": "how it is laid out, such as solitary, scattered, annular, serpiginous",
        "count": "how many: one, two, several, many",
        "skin_type": "the tone of the skin around it",
    },
}
_LONGEST = 120  # characters of an entry
_PLAIN = rf"^[A-Za-z0-9 ,.;:'()/%\-]{{1,{_LONGEST}}}$"
Entry = Annotated[str, Field(max_length=_LONGEST, pattern=r"^[^{}\r\n]*$")]


def report_model(schema: str) -> type[BaseModel]:
    """The model of a reply: every entry of ``schema``, short, in one line, without braces; nothing else."""
    fields = {name: (Entry, Field(description=text)) for name, text in SCHEMAS[schema].items()}
    made: type[BaseModel] = create_model("Report", __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload]
    return made


def json_schema(schema: str, *, bounded: bool = False) -> dict[str, object]:
    """The schema as structured generation takes it; ``bounded``: entries are short and plain (not all servers can)."""
    entries, limit = SCHEMAS[schema], {"pattern": _PLAIN} if bounded else {}
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": text, **limit} for name, text in entries.items()},
        "required": list(entries),
        "additionalProperties": False,
    }


def instruction(schema: str, condition: str, reveal_condition: bool) -> str:
    """The instruction to the model; with ``reveal_condition`` it names the diagnosis, as DermaFlux and LesionGen do."""
    entries = "\n".join(f"- {name}: {text}" for name, text in SCHEMAS[schema].items())
    known = f" The diagnosis is {condition}; do not name it." if reveal_condition else ""
    return (
        f"Describe the skin lesion in this photograph.{known} Reply with one JSON object with exactly these entries, "
        f"each in at most eight words; write unknown where the picture does not show it:\n{entries}"
    )
