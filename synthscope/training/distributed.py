"""Processes started by torchrun (who am I, gather, average) and what their device can do."""

from __future__ import annotations

import gc
import importlib
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from synthscope.errors import UsageError
from synthscope.runtime import best_device

T = TypeVar("T")
_MEETINGS = count()


@dataclass(frozen=True)
class World:
    """This process among ``size``; rank 0 alone writes files."""

    device: torch.device
    rank: int = 0
    size: int = 1

    def gather(self, value: T) -> list[T]:
        """``value`` of every process, in rank order."""
        if self.size == 1:
            return [value]
        values: list[T] = [value] * self.size
        dist.all_gather_object(values, value)
        return values

    def wrap(self, model: nn.Module) -> nn.Module:
        """``model`` with averaged gradients. Buffers are left to :meth:`average_buffers`."""
        if self.size == 1:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    def average_buffers(self, model: nn.Module) -> None:
        """Mean of the running statistics over all processes (timm's ``--dist-bn reduce``)."""
        if self.size == 1:
            return
        for buffer in model.buffers():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= self.size


@contextmanager
def processes() -> Iterator[World]:
    """The world that torchrun describes in the environment, joined for the time of the block.

    The group's threads end with the block. One that lives on takes Python's lock to free the tensors of the last
    collective, and where the interpreter is shutting down by then, the process aborts. So nothing may keep the group,
    and the reference here is the last one: it waits for the threads without Python's lock, which a
    ``DistributedDataParallel`` would hold meanwhile, for ever.
    """
    device = best_device()
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield World(device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    group, joined = None, not dist.is_initialized()
    if joined:
        # its functions' default arguments would keep the group, if DistributedDataParallel were the first to import it
        importlib.import_module("torch.distributed.nn.functional")
        store, rank, size = next(dist.rendezvous("env://"))
        # torchrun's store keeps the addresses of an earlier run in these processes: a name of its own for each
        named = dist.PrefixStore(f"synthscope {next(_MEETINGS)}", store)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", store=named, rank=rank, world_size=size)
        group = dist.group.WORLD
    try:
        yield World(device, dist.get_rank(), dist.get_world_size())
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # which hold the models
        raise
    finally:
        if joined:
            gc.collect()
            dist.destroy_process_group()
            del group


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Type of the cheap arithmetic, None for float32; ``auto`` takes bfloat16 where the processor has it.

    Raises:
        UsageError: fp16 without CUDA, where gradients cannot be scaled.

    >>> autocast_dtype("bf16", torch.device("cpu"))
    torch.bfloat16
    """
    if precision == "fp16" and device.type != "cuda":
        raise UsageError(f"Expected a CUDA device for precision fp16, got {device.type}. Use bf16 or fp32.")
    if precision != "auto":
        return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return torch.bfloat16 if device.type == "cpu" and probe is not None and probe() else None
