"""What several data sets share; no data set imports another."""
