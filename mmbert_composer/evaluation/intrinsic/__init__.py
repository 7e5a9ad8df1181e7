"""What a model knows without tuning: held-out masked loss, retrieval of translations, languages told apart."""
