"""What flows where, as pictures."""
