"""Train a run: ``composer train.py yamls/NAME.yaml [key=value ...]``, on one rank or many."""

import sys

from mmbert_composer.train import main

if __name__ == "__main__":
    sys.exit(main())
