"""Evaluation on real samples: held-out ones of each group, and labels that are read from embeddings."""

from gde.evaluate.cells.labels import evaluate_labels
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.pairs import held_out_pairs
from gde.evaluate.shared.reconstruction import reconstruct


def evaluate(ctx: Context) -> Results:
    """Reconstruction of held-out samples and label separation, on the test split; see `pairs` for what is given."""
    held = held_out_pairs(ctx.store, ctx.seed)
    metrics, tables = reconstruct(ctx, held)
    labels, own = evaluate_labels(ctx, held)
    return labels | metrics, tables | own
