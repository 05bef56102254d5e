"""The error for input that the user can correct; the command line shows its text without a traceback."""


class UserError(ValueError):
    """An argument of the comparison cannot be used; the text says which, why, and what is accepted instead."""
