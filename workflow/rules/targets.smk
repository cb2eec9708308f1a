# What can be named beside `all`: it computes nothing.


rule grids:
    input:
        every_grid,
    localrule: True


# `snakemake NAME`: all of one experiment, figures included.
for _experiment in filter(is_free, NAMES):

    rule:
        name:
            _experiment
        input:
            outputs(_experiment),
        localrule: True
        message:
            f"{_experiment}: all is there, in results/{_experiment}"
