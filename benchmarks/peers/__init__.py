"""The other side of a comparison: what others do, or what one would write by hand; and how the two
sides are compared.
"""
