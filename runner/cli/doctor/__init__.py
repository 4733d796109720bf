"""The checks of `runner doctor`."""
