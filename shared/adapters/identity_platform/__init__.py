"""Identity Platform: accounts, ID tokens and the tokens of blocking hooks."""
