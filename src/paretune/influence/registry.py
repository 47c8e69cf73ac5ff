"""The estimators by name: settings, records, reports and docs read the names here."""

from typing import TYPE_CHECKING, Literal

from paretune.influence.crossed import Crossed
from paretune.influence.crossed_exact import CrossedExact
from paretune.influence.directional import Directional
from paretune.influence.estimator import Estimator
from paretune.influence.exact import Exact
from paretune.influence.realised import Realised

ESTIMATORS: dict[str, Estimator] = {e.name: e for e in (Directional(), Realised(), Exact(), Crossed(), CrossedExact())}
"""The estimators by name, the default one first."""

if TYPE_CHECKING:
    Method = str
else:
    Method = Literal[tuple(ESTIMATORS)]  # parsers read the choices off the type
