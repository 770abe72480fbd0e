"""Orders to pictures: data sets with many generators, each fake beside a real of its class.

A generator is ``"<kind>:<target>[?key=value&…]"``; its kind is a function ``(target, permission, **options)`` that
returns a :class:`~synthscope.generation.contract.Generator`, and loads nothing heavy before that is asked for images.
Every option arrives as text. Third parties add some by the entry point group ``synthscope.generator``.
"""

from __future__ import annotations

from synthscope.generation.contract import Maker
from synthscope.registry import Registry

GENERATORS: Registry[Maker] = Registry("generator")
GENERATORS.register("diffusers", "synthscope.generation.pipelines:diffusers_pipeline")
GENERATORS.register("http", "synthscope.generation.api:http_api")
GENERATORS.register("inpaint", "synthscope.generation.reconstruct.inpaint:Inpaint")
GENERATORS.register("inversion", "synthscope.generation.reconstruct.inversion:Inversion")
GENERATORS.register("vae", "synthscope.generation.reconstruct.vae:Autoencoder")
