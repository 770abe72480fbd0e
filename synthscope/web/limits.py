"""What a server takes in: all of it is checked before a byte is decoded."""

from __future__ import annotations

from pydantic import Field

from synthscope.config import Config

MEGABYTE = 10**6


class Limits(Config):
    """Of one server."""

    body_bytes: int = Field(default=50 * MEGABYTE, ge=1)  # of one file
    body_seconds: float = Field(default=60.0, gt=0)  # in which it has arrived
    header_seconds: float = Field(default=10.0, gt=0)  # in which a request has begun, on a new connection
    workers: int = Field(default=2, ge=1)  # processes that decode, and files in work
    waiting: int = Field(default=14, ge=0)  # further files that are held in memory until then
    examine_seconds: float = Field(default=30.0, gt=0)  # for decoding a file and reading what it says
    examine_bytes: int = Field(default=2**31, ge=1)  # of memory for that, beside what Python itself takes
