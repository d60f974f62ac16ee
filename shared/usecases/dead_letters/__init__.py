"""What needs a person, because nothing else has helped."""
