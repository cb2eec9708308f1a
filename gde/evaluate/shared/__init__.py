"""What the subjects of evaluation share: context of one evaluation, records, tables, held-out sets, baselines."""
