"""What a user can put right: shown as a sentence, without a traceback."""


class UserError(ValueError):
    """Something given to the comparison cannot be used; the text says what, and what would do."""
