"""``http:``, image APIs in the form of OpenAI's: one JSON request an image, answered by base64 or a URL.

The key comes from the environment. Nothing but the host that was named is asked, and answers have bounds.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from synthscope.data.images import read_rgb
from synthscope.errors import SynthscopeError, UnreadableImageError, UsageError
from synthscope.generation.contract import Made, Order, Permission
from synthscope.generation.post import Answer, ask
from synthscope.generation.spec import folder_name, number
from synthscope.runtime.files import reason
from synthscope.runtime.threads import in_threads

MOST_MEGAPIXELS = 40.0  # of a picture: twice 4096 x 4096
_REFUSED = 400, 422  # of one prompt, where the words are those of moderation; else the run cannot go on
_MODERATED = re.compile(r"moderat|polic(y|ies)|safety|content filter|nsfw", re.IGNORECASE)
_PASSED_ON = ("quality", "style", "background", "output_format")


def http_api(
    target: str,
    permission: Permission,
    *,
    model: str = "",
    name: str = "",
    size: str = "1024x1024",
    key: str = "",
    cost: str = "0",
    batch: str = "1",
    answer: str = "b64_json",
    seed: str = "off",
    quality: str = "",
    style: str = "",
    background: str = "",
    output_format: str = "",
) -> Api:
    """An API that takes ``{"model", "prompt", "n", "size", …}`` by POST, as ``http:https://HOST/v1/images/generations``.

    Args:
        target: Address of the API.
        permission: What may be spent.
        model: As the API calls it.
        name: In folders and tables; default: the model's.
        size: As the API calls it.
        key: Name of the environment variable that holds the key; without it none is sent.
        cost: Of an image, in the currency of ``--max-cost``.
        batch: Requests at a time.
        answer: b64_json or url, the ``response_format`` that is asked for; or none, where the API knows no such word.
        seed: on sends a seed of 31 bits, for APIs that know it.
        quality: Sent as it is, as the others below.
        style: See ``quality``.
        background: See ``quality``.
        output_format: See ``quality``.

    Raises:
        UsageError: A bad value.
        SynthscopeError: No such environment variable.
    """
    place = urlsplit(target)
    if place.scheme not in ("http", "https") or not place.hostname:
        raise UsageError(f"Expected an address such as https://HOST/v1/images/generations, got {target!r}. Correct it.")
    for option, value, choices in (("answer", answer, ["b64_json", "url", "none"]), ("seed", seed, ["on", "off"])):
        if value not in choices:
            raise UsageError(f"Expected {option}={' or '.join(choices)}, got {value!r}. Choose one.")
    if key and not re.fullmatch(r"[!-~]+", os.environ.get(key, "").strip()):
        raise SynthscopeError(f"Expected a key in the environment variable {key}, got none. Set it and run again.")
    body = {"model": model, "size": size, "quality": quality, "style": style, "background": background}
    body |= {"output_format": output_format, "response_format": "" if answer == "none" else answer}
    own = folder_name(name or re.split(r"[/:]", model)[-1] or place.hostname)
    price = number(cost, "cost", least=0, most=1e6)
    many = int(number(batch, "batch", least=1, most=64, whole=True))
    return Api(own, many, target, {k: v for k, v in body.items() if v}, key, price, seed == "on", permission)


class Api:
    """Asks for one image after the other, or some at a time."""

    needs = ()

    def __init__(
        self,
        name: str,
        batch: int,
        address: str,
        body: dict[str, str],
        key: str,
        price: float,
        seeded: bool,
        permission: Permission,
    ) -> None:
        self.name, self.batch, self._address, self._body = name, batch, address, body
        self._place = _place(address)
        self._key, self._price, self._seeded, self._permission = key, price, seeded, permission

    def facts(self) -> dict[str, Any]:
        """See :class:`~synthscope.generation.contract.Generator`."""
        place = urlsplit(self._address)
        return {"model": self._body.get("model"), "api": f"{place.hostname}{place.path}", "price": self._price} | {
            key: self._body[key] for key in ("size", *_PASSED_ON) if key in self._body
        }

    def generate(self, orders: Sequence[Order]) -> list[Made]:
        """See :class:`~synthscope.generation.contract.Generator`; costs are counted before anything is asked."""
        for _ in orders:
            self._permission.pay(self._price)
        return list(in_threads(self._one, orders, self.batch))

    def close(self) -> None:
        """Nothing is open."""

    def _one(self, order: Order) -> Made:
        prompt = f"{order.prompt}\nAvoid: {order.negative_prompt}" if order.negative_prompt else order.prompt
        body: dict[str, Any] = {**self._body, "prompt": prompt, "n": 1}
        if self._seeded:
            body["seed"] = order.seed % 2**31
        headers = {"Authorization": f"Bearer {os.environ[self._key].strip()}"} if self._key else {}
        told = ask(self._address, headers, json.dumps(body).encode())
        if told.status != 200:
            words = _words(told)
            if told.status in _REFUSED and _MODERATED.search(words):
                return Made(error=f"refused by the API: {words}", record={"nsfw": True})
            advice = f"Check the key in {self._key}." if self._key else "Correct the options."
            raise SynthscopeError(
                f"Expected an image from {self._place[1]}, got status {told.status}: {words}. {advice}"
            )
        record = {"cost": self._price}
        try:
            file, revised = self._file(told)
            rgb = read_rgb(file, MOST_MEGAPIXELS, name="the answer")
        except (_Garbled, UnreadableImageError) as error:
            return Made(error=f"the API answered with no image: {reason(error)}", record=record)
        return Made(rgb, record | ({"revised_prompt": revised} if revised else {}), file=file)

    def _file(self, told: Answer) -> tuple[bytes, str | None]:
        """The picture, and the prompt that the API has made of the order's."""
        try:
            first = json.loads(told.body)["data"][0]
            revised = first.get("revised_prompt")
            if first.get("b64_json"):
                return base64.b64decode(first["b64_json"], validate=True), revised
            address = first["url"]
            if not isinstance(address, str):
                raise TypeError("a url that is no text")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
            raise _Garbled(f"{type(error).__name__} in its JSON") from error
        if (there := _place(address)) != self._place:
            raise SynthscopeError(
                f"Expected images from {self._place[1]}, got an address at {there[1]}, which nobody named. Ask for the "
                "image itself by answer=b64_json."
            )
        picture = ask(address, {}, None)
        if picture.status != 200:
            raise _Garbled(f"status {picture.status} for its url")
        return picture.body, revised


class _Garbled(Exception):
    """An answer that is none."""


def _place(address: str) -> tuple[str, str]:
    """Scheme, and host with port."""
    try:
        return urlsplit(address)[:2]
    except ValueError as error:
        raise _Garbled("an address that is none") from error


def _words(told: Answer) -> str:
    """What an API says of an error, in one line."""
    try:
        said = json.loads(told.body)
        said = said.get("error", said) if isinstance(said, dict) else said
        text = said.get("message", said) if isinstance(said, dict) else said
    except (ValueError, RecursionError):
        text = told.body[:300].decode(errors="replace")
    return reason(Exception(str(text or "no reason")))
