"""What every honest job must come to, computed by plain CPython from the same data and with other code.

tables      the data, read anew
weather     the answers over the daily weather
penguins    the answers over the penguins
"""

from demo.expected.penguins import PENGUINS
from demo.expected.weather import WEATHER, report_texts

EXPECTED = {**WEATHER, **PENGUINS}

__all__ = ["EXPECTED", "report_texts"]
