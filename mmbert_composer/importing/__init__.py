"""From a transformers folder to a starting point of training, with a grown vocabulary if asked."""
