"""Recipe strings such as ``jpeg:q=65|lr:112``, and the steps that they name."""
