# `snakemake NAME`: all of one experiment, figures included.
for _experiment in filter(is_free, NAMES):

    rule:
        name:
            _experiment
        input:
            outputs(_experiment),
        localrule: True
