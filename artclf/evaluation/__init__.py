"""From predictions to figures one can trust: plain arrays and tables, no torch, no Lightning."""

import numpy as np
import numpy.typing as npt

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
