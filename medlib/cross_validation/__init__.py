"""Cross-validation: every case predicted once, by a model that never saw its patient.

What each fold decides (spacing, intensities, what is usual of a measurement, the weights) is
decided on the cases that it trains on. Two things are of all cases: which words or structures there
are to be found, and, from headers alone, how large scans get, since a scan that is seen whole has
to fit in. Weights are those at the end of the training: to keep the best moment on the cases that
are reported would report luck too.
"""

from medlib.cross_validation.figures import Answer, CrossValidation, Fold
from medlib.cross_validation.keeping import KeptFold, identity
from medlib.cross_validation.training import dealt, trained

__all__ = ["Answer", "CrossValidation", "Fold", "KeptFold", "dealt", "identity", "trained"]
