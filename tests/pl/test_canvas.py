"""What figures are drawn on."""

import matplotlib as mpl

from gde.pl.canvas import look


def test_a_backend_that_is_loaded_inside_stays_interactive():
    """A notebook's is loaded by the first figure, and draws nothing further once it is not interactive."""
    before = mpl.is_interactive()
    try:
        with look():
            mpl.interactive(True)
        assert mpl.is_interactive()
    finally:
        mpl.interactive(before)
    with look():
        pass
    assert mpl.is_interactive() == before
