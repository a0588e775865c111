"""Faults that are worth a retry, of all kinds."""

from __future__ import annotations

import gzip

from dev.sandbox.server import Fault

TRANSIENT = {
    "408": Fault(status=408),
    "429": Fault(status=429),
    "500": Fault(status=500),
    "501": Fault(status=501),
    "503": Fault(status=503, body=b"<html>down</html>"),
    "599": Fault(status=599),
    "reset": Fault("reset"),
    "hang": Fault("hang", seconds=3),
    "truncated": Fault("truncate"),
    "cut JSON": Fault(status=200, body=b'{"items":[{"id":"1"},'),
    "HTML": Fault(status=200, body=b"<html>Welcome to the hotel's network</html>"),
    "nothing": Fault(status=200, body=b""),
    "no UTF-8": Fault(status=200, body=b'{"items":[{"id":"\xff\xfe"}]}'),
    "broken gzip": Fault(status=200, body=b"no gzip", headers={"Content-Encoding": "gzip"}),
    "cut gzip": Fault(
        status=200,
        body=gzip.compress(b'{"items":[' + b'{"id":"1"},' * 99 + b'{"id":"2"}]}')[:-20],
        headers={"Content-Encoding": "gzip"},
    ),
}
