"""What differs between kinds of tasks: columns, features, outputs kept and scores; one file a kind."""
