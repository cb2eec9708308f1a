"""Options of the training loop."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gde.config.base import Count, NonNegative, Positive, Section, Share, Size, Whole, refuse
from gde.config.kinds import ByKind

LR = "learning rate at the end of the warm-up"
DECAY = "weight decay"
WARMUP = "steps of linear warm-up; auto = a tenth of the steps, at most 100"
Warmup = Whole | Literal["auto"]


def on_off(value: Any) -> Any:
    """Snakemake reads `on` and `off` in config.yaml as true and false."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


class Adam(Section):
    kind: Literal["adam"] = Field(description="Adam")
    lr: Positive = Field(2e-3, description=LR)
    weight_decay: NonNegative = Field(0.0, description=DECAY)
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field([0.9, 0.999], description="decay rates")


class AdamW(Section):
    kind: Literal["adamw"] = Field(description="Adam with decoupled weight decay")
    lr: Positive = Field(2e-3, description=LR)
    weight_decay: NonNegative = Field(0.0, description=DECAY)
    betas: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field([0.9, 0.999], description="decay rates")


class Sgd(Section):
    kind: Literal["sgd"] = Field(description="stochastic gradient descent")
    lr: Positive = Field(2e-3, description=LR)
    weight_decay: NonNegative = Field(0.0, description=DECAY)
    momentum: Share = Field(0.9, description="momentum")


Optimizer = Annotated[Adam | AdamW | Sgd, ByKind()]


class Cosine(Section):
    kind: Literal["cosine"] = Field(description="cosine from lr to floor * lr over the steps")
    warmup: Warmup = Field(100, description=WARMUP)
    floor: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="last learning rate as a share of lr")


class Constant(Section):
    kind: Literal["constant"] = Field(description="lr throughout")
    warmup: Warmup = Field(100, description=WARMUP)


class Step(Section):
    kind: Literal["step"] = Field(description="lr times factor every step_every steps")
    warmup: Warmup = Field(100, description=WARMUP)
    step_every: Count = Field(1000, description="steps between reductions")
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="reduction")


class Plateau(Section):
    kind: Literal["plateau"] = Field(description="lr times factor after `patience` validations without improvement")
    warmup: Warmup = Field(100, description=WARMUP)
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="reduction")
    patience: Count = Field(5, description="validations without improvement")


Scheduler = Annotated[Cosine | Constant | Step | Plateau, ByKind()]


class Training(Section):
    """The budget and how it is spent."""

    steps: Size | Literal["long"] = Field(
        2000, description="optimiser steps: the budget; auto = as the data suggest, long = ten times as many"
    )
    n_sets: Size = Field(32, description="sets in a batch; small batches reach more in equal time")
    set_size: Size = Field(
        64, description="samples drawn from a group for a set; smaller groups are masked; auto = as most groups have"
    )
    optimizer: Optimizer = Field(AdamW(kind="adamw"), description="how the gradient moves the weights")
    scheduler: Scheduler = Field(Cosine(kind="cosine"), description="learning rate by step")
    grad_clip: Positive | None = Field(1.0, description="largest gradient norm; null = no clipping")
    ema: Share = Field(0.998, description="decay of the running mean of weights that is saved; 0 = last weights")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto = bf16 on GPUs that have it")
    compile: Annotated[Literal["auto", "on", "off"], BeforeValidator(on_off)] = Field(
        "auto", description="torch.compile; auto = on GPUs"
    )
    shards: Count = Field(4, description="parts of a batch with random numbers of their own; divides n_sets")
    torch_threads: Count = Field(2, description="threads on a CPU; part of the run, since sums depend on it")
    validate_every: Size = Field(200, description="steps between validations; auto = a tenth of all")
    log_every: Count = Field(20, description="steps between lines of log.jsonl")
    checkpoint_every: Size = Field(200, description="steps between checkpoints; auto = a tenth of all")
    keep_every: Whole = Field(
        0, description="also keep the checkpoint of every N-th step; 0 = best and two newest only"
    )
    early_stopping: Whole = Field(0, description="stop after this many validations without improvement; 0 = never")
    tensorboard: bool = Field(True, description="write TensorBoard events into the run's directory")
    wandb: bool = Field(False, description="log to Weights & Biases (to be installed apart)")

    @model_validator(mode="after")
    def possible(self):
        if self.n_sets != "auto" and self.n_sets % self.shards:
            refuse("shards", self.shards, f"a divisor of n_sets = {self.n_sets}", "change shards or n_sets")
        return self
