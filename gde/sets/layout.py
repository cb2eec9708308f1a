"""What writer and reader of a set store must agree on."""

FORMAT = 1  # of the directory; raised when an older reader could misread a newer store
SPLITS = ("train", "validation", "test")
