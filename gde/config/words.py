"""Words of metrics, baselines and figures: what people read on figures, cards and pages instead of code names."""

from typing import NamedTuple

from gde.errors import bad


class Words(NamedTuple):
    """A metric in words, and its unit ("" for a number without one)."""

    name: str
    unit: str = ""


DATA, LATENT, SHARE, BITS = "data units", "latent units", "share", "bits"
SHIFTS = {
    "pearson": Words("correlation of true and predicted shift"),
    "pearson2": Words("squared correlation of true and predicted shift"),
    "r2": Words("explained variance of the shift (R²)"),
    "mse": Words("squared error of the shift", "log1p²"),
    "pearson_unmatched": Words("correlation of shifts, against all controls"),
    "pearson2_unmatched": Words("squared correlation of shifts, against all controls"),
    "r2_unmatched": Words("explained variance, against all controls"),
    "pearson_generated": Words("correlation of shifts, of generated cells"),
    "pearson2_generated": Words("squared correlation of shifts, of generated cells"),
    "de_recall": Words("most shifted genes that are predicted", SHARE),
    "e_distance": Words("energy distance, generated to real cells", DATA),
    "discrimination": Words("own shift is most like its prediction"),
    "calibration": Words("slope of true on predicted size of shift"),
    "target_gene": Words("shift of the perturbed gene", "log1p"),
}
PROTOCOLS = {"zero_shot": "never trained", "transfer": "trained in other contexts"}
METRICS = {
    "reconstruction/paper_metric": Words("published error of generated sets", "mixed"),
    "reconstruction/paper_metric_strict": Words("published error, on the training distribution", "mixed"),
    "reconstruction/w2": Words("W2 of generated to held-out samples", DATA),
    "reconstruction/w2_mean": Words("W2 due to the mean", DATA),
    "reconstruction/w2_cov": Words("W2 due to the covariance", DATA),
    "reconstruction/mmd": Words("MMD² of generated to held-out samples"),
    "reconstruction/energy": Words("energy distance of generated samples", DATA),
    "reconstruction/second_moment": Words("relative error of the covariance"),
    "geometry/w2_spearman": Words("rank correlation of embedding distance with W2"),
    "geometry/w2_pearson": Words("correlation of embedding distance with W2"),
    "geometry/w2_spearman_nearest": Words("rank correlation with W2, nearest fifth"),
    "geometry/w2_spearman_equal_means": Words("rank correlation with W2, equal means"),
    "geometry/exact_w2_spearman": Words("rank correlation with exact W2 of samples"),
    "geometry/simplex_pearson": Words("correlation with W2 on the simplex"),
    "geometry/simplex_spearman": Words("rank correlation with W2 on the simplex"),
    "geometry/geodesic_deviation": Words("straight lines off the path of transport", "share of the way"),
    "geometry/transport_pearson": Words("correlation of embedding distance with transport"),
    "geometry/transport_spearman": Words("rank correlation of distance with transport"),
    "poisson/mse_n10": Words("error of P(0) from 10 counts", "probability²"),
    "poisson/mse_n100": Words("error of P(0) from 100 counts", "probability²"),
    "poisson/mse_n1000": Words("error of P(0) from 1,000 counts", "probability²"),
    "poisson/mse_n10000": Words("error of P(0) from 10,000 counts", "probability²"),
    "clt/slope": Words("slope of the embedding's error on set size"),
    "clt/coverage": Words("95 % intervals of embeddings that hold", SHARE),
    "labels/accuracy": Words("label read from the embedding", "accuracy"),
    "labels/accuracy_cv": Words("label, cross-validated over all donors", "accuracy"),
    "labels/auc": Words("label of held-out donors", "AUC"),
    "labels/auc_cv": Words("label, cross-validated over all donors", "AUC"),
    "labels/macro_f1": Words("label of held-out sets", "mean F1"),
    "labels/silhouette": Words("silhouette of labels"),
    "labels/batch_auc": Words("batch read from the embedding", "AUC"),
    "labels/corrected_auc": Words("label, batch effects taken out", "AUC"),
    "labels/corrected_batch_auc": Words("batch, batch effects taken out", "AUC"),
    "information/embedding": Words("early tells of late cells, held-out clones", BITS),
    "information/embedding_all": Words("early tells of late cells, all clones", BITS),
    "information/pca": Words("the same of principal components", BITS),
    "information/projection": Words("the same of directions that predict", BITS),
    "information/sisters": Words("late cells tell of their sisters in other wells", BITS),
    "information/recovered": Words("part of a known information that is found", SHARE),
    "fate/js": Words("divergence of predicted and true fates", BITS),
    "fate/r2": Words("explained variance of fates (R²)"),
    "days/w2": Words("W2 to the day between", DATA),
    "days/mmd": Words("MMD² to the day between"),
    "days/energy": Words("energy distance to the day between", DATA),
    "effect/null_auc": Words("perturbations with an effect told from those without", "AUC"),
    "replicates/nearest": Words("nearest neighbour is the own other half", SHARE),
    "replicates/separation": Words("distance to other tissues over that to the own", "ratio"),
    "trajectory/spearman": Words("rank correlation of predicted and true order of donors"),
    "tissue/accuracy": Words("tissue of held-out samples", "accuracy"),
    "tissue/macro_f1": Words("tissue of held-out samples", "mean F1"),
    "tissue/accuracy_coarse": Words("coarse tissue of held-out samples", "accuracy"),
    "tissue/macro_f1_coarse": Words("coarse tissue of held-out samples", "mean F1"),
    "tissue/head_accuracy": Words("tissue, by the classifier trained along", "accuracy"),
    "methylation/rate_error": Words("error of methylated CpGs", SHARE),
    "methylation/concordance_error": Words("error of reads whose CpGs agree", SHARE),
    "methylation/entropy_error": Words("error of the entropy of patterns", "bits per CpG"),
    "methylation/valid": Words("generated reads with the form of a read", SHARE),
    "sites/rate_error": Words("error of methylated CpGs, at the reads' own sites", SHARE),
    "sites/concordance_error": Words("error of reads whose CpGs agree, at own sites", SHARE),
    "sites/entropy_error": Words("error of the entropy of patterns, at own sites", "bits per CpG"),
    "sites/valid": Words("reads with the form of a read, at own sites", SHARE),
    "sites/pearson": Words("correlation of mutated shares over sites"),
    "sites/spearman": Words("rank correlation of mutated shares over sites"),
    "axis/spearman": Words("rank correlation of the axis with expression"),
    "axis/spearman_joint": Words("the same, one axis for all conditions"),
    "extrapolation/auc": Words("unseen quantiles lie above the highest seen", SHARE),
    "extrapolation/shift": Words("unseen quantiles score higher by", DATA),
    "extrapolation/distance": Words("predicted to own embedding of a future month", LATENT),
    "extrapolation/coverage": Words("95 % intervals of future months that hold", SHARE),
    "oracle/pearson": Words("the regressor itself, on held-out sequences", "correlation"),
    "expression/spearman": Words("rank correlation of target and score of generated"),
    "expression/slope": Words("slope of the generated sequences' score"),
    "expression/error": Words("score of generated, off that of real sequences", DATA),
    "motifs/pearson": Words("correlation of motif hits, generated and real"),
    "kmers/distance": Words("distance of k-mer spectra, generated and real", SHARE),
    "ngrams/distance": Words("distance of n-gram spectra, generated and real", SHARE),
    "composition/n_error": Words("error of the share of N", SHARE),
    "composition/gc_error": Words("error of the share of G and C", SHARE),
    "lengths/error": Words("W1 of lengths, generated and real", "residues"),
    "novelty/identity": Words("agreement with the nearest training sequence", SHARE),
    "novelty/copies": Words("generated sequences that are training ones", SHARE),
    "novelty/copied": Words("runs of 24 bytes copied from training documents", SHARE),
    "split/near_copies": Words("held-out sequences with a near copy that trains", SHARE),
    "patterns/composition_error": Words("composition of generated mixtures, total variation", SHARE),
    "patterns/substitutions": Words("residues that differ from their motif", SHARE),
    "likelihood/token": Words("log-likelihood of held-out sequences", "nats per token"),
    "likelihood/byte": Words("log-likelihood of held-out documents", "nats per byte"),
    "perplexity/markov": Words("perplexity of generated sequences under a Markov chain"),
    "perplexity/model": Words("perplexity of generated sequences under the model"),
    "month/mae": Words("error of the month read from the embedding", "months"),
    "month/mae_future": Words("error of the month, months held out whole", "months"),
    "country/accuracy": Words("country read from the embedding", "accuracy"),
    "country/accuracy_future": Words("country, months held out whole", "accuracy"),
    "sweeps/error": Words("error of mutations' shares over time, mean", SHARE),
    "sweeps/largest_error": Words("error of mutations' shares over time, largest", SHARE),
    "sweeps/named_error": Words("error of the named mutations' shares, largest", SHARE),
    "sweeps/error_future": Words("error of mutations' shares, months held out whole", SHARE),
    "sweeps/pearson": Words("correlation of mutations' shares over time"),
    "retrieval/recall_1": Words("own group is found first", SHARE),
    "retrieval/recall_10": Words("own group is among the first ten", SHARE),
    "retrieval/whitened": Words("own group is found first, whitened", SHARE),
    "retrieval/mrr": Words("mean of 1 / place of the own group"),
    "retrieval/purity": Words("most similar sets are of the own group", SHARE),
    "topics/classifier": Words("real documents recognised by the classifier", "accuracy"),
    "topics/generated": Words("generated documents recognised as their topic", "accuracy"),
} | {
    f"{part}/{key}": Words(f"{words.name}; {told}", words.unit)
    for part, told in PROTOCOLS.items()
    for key, words in SHIFTS.items()
}  # fmt: skip
# Baselines that their code names do not say; others read well with blanks.
BASELINES = {
    "gaussian_w2_of_moments": "Gaussian W2 of sample moments",
    "lot": "linearised transport",
    "kernel_mean": "kernel mean (MMD)",
    "pca_of_moments": "principal components of moments",
    "sample_mean_distance": "distance of sample means",
    "kmer_mean": "mean 4-mer spectrum",
    "one_hot_mean": "mean residues by place",
    "moments_pca": "principal components of moments",
    "pseudobulk_mean": "pseudobulk (mean)",
    "pseudobulk": "pseudobulk (mean)",
    "point_mass": "one point at the true mean",
    "average_covariance": "true mean, average covariance",
    "mean_sd": "means and standard deviations",
    "naive": "share of zeros in the set",
    "rao_blackwell": "Rao-Blackwell estimator",
    "bayes": "posterior mean",
    "tfidf": "tf-idf",
    "lm_mean": "mean of the language model's vectors",
    "train_mean": "mean shift of training",
    "gde": "this model",
}
CEILINGS = ("resample_truth", "bayes")  # stand among the baselines, and are the ceiling under another name

FIGURES = {
    "embedding": "Embeddings of sub-sets",
    "map": "Map of all groups",
    "distances": "Distances of all groups",
    "reconstruction": "Truth and generated samples",
    "geometry": "Distances",
    "interpolation": "Between two sets",
    "poisson": "Probability of zero",
    "simplex": "Simplex",
    "clt": "Settling with set size",
    "coverage": "Coverage of intervals",
    "loss": "Loss",
    "metrics": "All metrics",
    "labels": "Labels",
    "information": "Information of clones",
    "spring": "Information on the map",
    "fate": "Fates",
    "days": "The day between",
    "perturbations": "Predicted perturbations",
    "shifts": "Shifts of genes",
    "ranks": "Ranks of perturbations",
    "cells": "Predicted cells",
    "tissues": "Tissues",
    "methylation": "Methylation of generated reads",
    "methylation_levels": "Methylation levels of reads",
    "expression_axis": "Axis of expression",
    "expression": "Expression of generated sequences",
    "kmers": "K-mers",
    "spectra": "K-mers and lengths",
    "transport": "Distances of mixtures",
    "patterns": "Composition of mixtures",
    "retrieval": "Search",
    "topics": "Topics",
    "ngrams": "N-grams and likelihood",
    "epidemic_map": "Map of countries and months",
    "epidemic_months": "Months and countries",
    "epidemic_sweeps": "Sweeps",
    "epidemic_sites": "Sites",
}


def metric_words(metric: str) -> Words:
    """The words of a metric such as 'labels/accuracy'. Raises GdeError for one that no evaluation has."""
    if metric not in METRICS:
        raise bad("metric", repr(metric), "one that an evaluation has", "add its words to gde.config.words")
    return METRICS[metric]


def baseline_words(baseline: str) -> str:
    """A baseline in words."""
    return BASELINES.get(baseline, baseline.replace("_", " "))
