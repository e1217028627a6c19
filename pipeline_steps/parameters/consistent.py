"""A section whose parameters must fit each other: all that is wrong is named at once, not a layer after another."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from pydantic import ModelWrapValidatorHandler, TypeAdapter, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from pipeline_steps.stage.params import Params

# Parameters that a rule compares, and a line for each way in which they don't fit.
Rule = tuple[tuple[str, ...], Callable[..., Iterator[str]]]


class Consistent(Params):
    """``rules`` are tried on those parameters that are right in themselves."""

    rules: ClassVar[tuple[Rule, ...]]

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, node: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        found: list[InitErrorDetails] = []
        try:
            made = read(node)
        except ValidationError as error:
            found = [_again(e) for e in error.errors(include_url=False)]
        known = cls._readable(node)
        for names, rule in cls.rules:
            if {*names} <= {*known}:
                lines = rule(*(known[name] for name in names))
                found += [InitErrorDetails(type=_custom(line), loc=(), input=node) for line in lines]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return made

    @classmethod
    def _readable(cls, node: Any) -> dict[str, Any]:
        """The values of those parameters that are right in themselves."""
        known = {}
        for name, field in cls.model_fields.items() if isinstance(node, dict) else ():
            if name in node:
                try:
                    known[name] = TypeAdapter(field.rebuild_annotation()).validate_python(node[name])
                except ValidationError:
                    continue
        return known


def _again(error: Any) -> InitErrorDetails:
    """An error as it was: kinds of our own, raised as ValueError, and pydantic's."""
    kind = error["type"]
    wrong = _custom(error["msg"].removeprefix("Value error, ")) if kind == "value_error" else kind
    return InitErrorDetails(type=wrong, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {}))


def _custom(line: str) -> PydanticCustomError:
    return PydanticCustomError("inconsistent", "{line}", {"line": line})  # type: ignore[arg-type]
