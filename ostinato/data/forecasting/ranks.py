"""How far out an error lies among those that came before it: a conformal p-value.

Of n errors e_i that a forecaster made on a part it was not fitted on, and a new one e,

    p = min(1, 2 min(1 + #{e_i <= e}, 1 + #{e_i >= e}) / (n + 1))

If e is exchangeable with them, p <= a has a probability of at most a, for any a. No p is less than
2 / (n + 1): n errors can say no more.

Source: Vovk 2005 (algorithmic learning in a random world), section 2.2; both sides, doubled.
"""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def conformal_p_values(errors: Values, before: Values) -> Values:
    """The p-value of each error.

    Args:
        errors: (time, targets).
        before: (n, targets), in any order; NaN where nobody knows.

    Example:
        >>> conformal_p_values(np.array([[0.0], [9.0]]), np.arange(-4.0, 5.0)[:, None]).tolist()
        [[1.0], [0.2]]
    """
    found = np.empty(errors.shape)
    for target in range(errors.shape[1]):
        known = np.sort(before[~np.isnan(before[:, target]), target])
        at_most = np.searchsorted(known, errors[:, target], side="right")
        at_least = len(known) - np.searchsorted(known, errors[:, target], side="left")
        found[:, target] = 2 * (1 + np.minimum(at_most, at_least)) / (len(known) + 1)
    return np.minimum(1.0, found)
