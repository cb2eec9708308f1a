"""Writers of single-cell data in the layouts of their releases, seeded, with what is true of them. Any size."""
