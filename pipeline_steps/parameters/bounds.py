"""Bounds that several stages' parameters share."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]
NonEmpty = Annotated[str, Field(min_length=1)]
Dtype = Literal["float32", "bfloat16", "float16"]
ImageSize = Annotated[int, Field(ge=16, le=4096)]  # pixels
Seed = Annotated[NonNegativeInt, Field(lt=2**63)]
Threads = Annotated[PositiveInt, Field(le=1024)]
