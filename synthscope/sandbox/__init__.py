"""A small world with known causes: procedural scenes, a camera, eight generators and labelled perceptual artifacts."""

from synthscope.sandbox.world import SandboxReport, build_sandbox

__all__ = ["SandboxReport", "build_sandbox"]
