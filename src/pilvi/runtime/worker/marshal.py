"""A handler's result as JSON, as AWS's Python runtime writes it.

Decimals become numbers, digit for digit (DynamoDB returns them); from Python 3.12 on text stays UTF-8, before that it
is escaped; NaN and the infinities are written as Python writes them. Anything else that JSON lacks is an error.
"""

import decimal
import json
import math
import os
import re
import sys
from typing import Any


def to_json(value: Any) -> bytes:
    """
    Raises:
        Exception: whatever the value's own code, or the encoder, raises.
    """
    encoder = _Encoder(ensure_ascii=sys.version_info < (3, 12))
    text = encoder.encode(value)
    if encoder.mark:
        text = re.sub(f'"{encoder.mark}([^"]*)"', r"\1", text)
    return text.encode()


class _Encoder(json.JSONEncoder):
    """The C encoder writes no number with digits of our choosing: Decimals pass it as marked strings.

    Attributes:
        mark: what marks them; nobody else can know it.
    """

    mark = ""

    def default(self, value: Any) -> Any:
        if not isinstance(value, decimal.Decimal):
            return super().default(value)
        if value.is_nan():
            return math.nan
        self.mark = self.mark or os.urandom(16).hex()
        return f"{self.mark}{value}"
