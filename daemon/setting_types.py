"""What a key of the settings may be written as: pydantic types whose refusals say what to write."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from daemon.units import parse_duration, parse_size


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError('write a duration with its unit, in quotes, as in "15m"')  # noqa: TRY004 - pydantic's contract
    return parse_duration(value)


def _bytes(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError('write a size with its unit, in quotes, as in "10MB"')  # noqa: TRY004 - pydantic's contract
    return parse_size(value)


def _network(value: str) -> str:
    ip_network(value)
    return value


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Wait = Annotated[float, BeforeValidator(_seconds)]  # a duration that may be nothing
Size = Annotated[int, BeforeValidator(_bytes), Field(gt=0)]
Count = Annotated[int, Field(ge=1, strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Network = Annotated[str, AfterValidator(_network)]
