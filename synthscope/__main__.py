"""``python -m synthscope``, also the target of ``torchrun``."""

from synthscope.cli import main

if __name__ == "__main__":
    main()
