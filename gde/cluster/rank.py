"""Rank: which of the processes that train one model together this one is, as torchrun, srun or gde.cluster.launch tell
it."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from gde.errors import bad

TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """rank, world : number of this process and of all; local_rank : among those of its machine, and so its GPU.

    address, port : where the first process waits for the others.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0
    bound: bool = False


def find_place(env: Mapping[str, str] = os.environ) -> Place:
    """This process's place; alone unless torchrun, or an srun step of several tasks, started it.

    Raises GdeError when only some of torchrun's variables are there. An ordinary Slurm job, whatever its number of
    tasks, is no group: only a step of several tasks starts several processes.
    """
    if env.get("WORLD_SIZE") == "1":
        return Place()
    if "WORLD_SIZE" in env:
        if missing := [name for name in TORCHRUN if name not in env]:
            remedy = "start with torchrun, or unset WORLD_SIZE"
            raise bad("processes", f"no {', '.join(missing)} in the environment", "all that torchrun sets", remedy)
        rank, world, local, port = (int(env[n]) for n in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT"))
        return Place(rank, world, local, env["MASTER_ADDR"], port)
    if int(env.get("SLURM_STEP_NUM_TASKS", "1")) == 1 or "SLURM_PROCID" not in env:
        return Place()
    rank, world, local = (int(env[name]) for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"))
    one_node = env.get("SLURM_STEP_NUM_NODES") == "1"
    address = env.get("MASTER_ADDR") or (
        "127.0.0.1" if one_node else address_of(first_node(env["SLURM_STEP_NODELIST"]))
    )
    return Place(rank, world, local, address or Place.address, int(env.get("MASTER_PORT") or step_port(env)), True)


def first_node(nodes: str) -> str:
    """The first name of Slurm's list: gpu[07-09,12],cpu1 -> gpu07."""
    names = re.match(r"([^,\[]+)(?:\[(\w+)[^\]]*\])?([^,]*)", nodes)
    if names is None:
        raise bad("SLURM_STEP_NODELIST", repr(nodes), "a list of nodes", "set MASTER_ADDR to the first node's name")
    return "".join(part or "" for part in names.groups())


def address_of(node: str) -> str:
    """A node's name if it can be looked up, else the address that Slurm itself uses."""
    try:
        socket.getaddrinfo(node, None)
        return node
    except socket.gaierror:
        pass
    done = subprocess.run(
        ["scontrol", "show", "node", node], capture_output=True, text=True, timeout=30, check=False
    )  # fmt: skip
    if (found := re.search(r"\bNodeAddr=(\S+)", done.stdout)) is None:
        raise bad("processes", f"no address of node {node}", "one", "set MASTER_ADDR to the first node's address")
    return found[1]


def step_port(env: Mapping[str, str]) -> int:
    """A port that all tasks of a step agree on and other steps seldom have: below the ports that systems give away."""
    return 12000 + (int(env["SLURM_JOB_ID"]) * 16 + int(env.get("SLURM_STEP_ID", "0")) % 16) % 20000


@contextmanager
def joined_processes(place: Place, backend: str) -> Iterator[bool]:
    """Join the other processes, if any; gives True in the one that writes."""
    if place.world == 1:
        yield True
        return
    from torch import distributed

    init = f"tcp://{place.address}:{place.port}"
    distributed.init_process_group(backend, init_method=init, rank=place.rank, world_size=place.world)
    try:
        yield place.rank == 0
    finally:
        distributed.destroy_process_group()
