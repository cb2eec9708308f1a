"""The section `encoder`: every kind, of sets of vectors and of sets of sequences."""

from typing import Annotated

from pydantic import Field

from gde.config.language_models import ProteinLm, TextLm
from gde.config.sequence_models import DnaConv
from gde.config.vector_encoders import (
    Attention,
    Gnn,
    KernelMean,
    Mean,
    MedianGnn,
    Mlp,
    PcaMean,
    ResNet,
    ResNetAttention,
)

Encoder = Annotated[
    Mean
    | Mlp
    | Gnn
    | MedianGnn
    | ResNet
    | KernelMean
    | PcaMean
    | Attention
    | ResNetAttention
    | DnaConv
    | ProteinLm
    | TextLm,
    Field(discriminator="kind"),
]
