"""What others do, or what one would write by hand: the other side of a comparison."""
