"""``synthscope data card``: a datasheet of a data set."""


def card_command() -> None:
    """."""
