"""Distances between sets of samples, Gaussians and mixtures: functions of tensors, batched over sets, one idea a file.

Roots: gaussian.gaussian_w2, gaussian.gaussian_w2_matrix, exact.exact_w2, mixture.mw2, mixture.mw2_matrix,
sliced.sliced_w2. Squares: gaussian.bures2, mmd.mmd (MMD^2), energy.energy_distance (as defined, no root).
Import them from their files: what a result depends on is read off the imports (`gde.definitions`).
"""
