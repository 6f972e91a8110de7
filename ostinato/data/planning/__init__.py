"""Planning problems: examples made while training, their answers, and a person's own points."""
