"""What figures are computed of. Needs numpy alone, as whatever `artclf predict` loads of this folder."""

import numpy as np
import numpy.typing as npt

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
