"""AWS's Runtime API: a program called bootstrap, in this case a Python script with nothing but sockets."""

from __future__ import annotations

import base64
import json

import pytest

CLIENT = """#!/usr/bin/env python3
import http.client, json, os, sys
host = os.environ["AWS_LAMBDA_RUNTIME_API"]
connection = http.client.HTTPConnection(host)
BASE = "/2018-06-01/runtime/"
def ask(method, path, body=None, headers={}):
    connection.request(method, BASE + path, body, headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()
"""

LOOP = (
    CLIENT
    + """
while True:
    status, headers, event = ask("GET", "invocation/next")
    name = headers["Lambda-Runtime-Aws-Request-Id"]
    event = json.loads(event)
    print("event", json.dumps(event), flush=True)
    if event == "error":
        body = json.dumps({"errorType": "Mine", "errorMessage": "no"})
        ask("POST", f"invocation/{name}/error", body, {"Lambda-Runtime-Function-Error-Type": "Mine"})
    elif event == "protocol":
        tried = [ask("POST", "invocation/other/response", "1")[::2], ask("GET", "invocation/next")[::2], ask("GET", "nothing")[::2],
                 ask("DELETE", "invocation/next")[::2]]
        ask("POST", f"invocation/{name}/response", json.dumps([[status, json.loads(body)["errorType"]] for status, body in tried]))
    elif event == "large":
        status, _, body = ask("POST", f"invocation/{name}/response", b"x" * 7_000_000)
        print("large", status, flush=True)
    elif event == "chunks":
        connection.request("POST", BASE + f"invocation/{name}/response", iter([b'"in ', b'pieces"']),
                           {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        connection.getresponse().read()
    elif event == "exit":
        sys.exit(7)
    else:
        ask("POST", f"invocation/{name}/response", json.dumps({"event": event, "headers": headers, "arguments": sys.argv}))
"""
)


def program(machine, source: str, **spec):
    return machine.package({}, runtime="provided.al2023", handler="any", code=zip_with_program(source), **spec)


def zip_with_program(source: str) -> bytes:
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, source)
    return made.getvalue()


@pytest.fixture
def bootstrap(machine):
    return program(machine, LOOP)


def test_a_program_takes_events(bootstrap):
    """With AWS's headers; again and again in the same process."""
    context = base64.b64encode(json.dumps({"custom": {}}, indent=1).encode()).decode()
    answer = bootstrap.invoke({"a": 1}, client_context=context)
    assert answer.payload["event"] == {"a": 1}
    headers = answer.payload["headers"]
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == bootstrap.spec["arn"]
    assert int(headers["Lambda-Runtime-Deadline-Ms"]) > 1_700_000_000_000
    assert headers["Lambda-Runtime-Trace-Id"].startswith("Root=1-")
    assert json.loads(headers["Lambda-Runtime-Client-Context"]) == {"custom": {}}
    assert headers["Content-Type"] == "application/json"
    assert bootstrap.invoke(2).init_ms is None
    assert 'event {"a": 1}' in bootstrap.lines()
    assert answer.memory_max_mb > 0


def test_errors_of_a_program(bootstrap):
    """As it reports them."""
    answer = bootstrap.invoke("error")
    assert (answer.error, answer.payload) == ("Unhandled", {"errorType": "Mine", "errorMessage": "no"})
    assert bootstrap.invoke("exit").payload["errorType"] == "Runtime.ExitError"


def test_the_protocol_is_kept(bootstrap):
    """Wrong ids, an event asked for out of turn, unknown paths: AWS's status and error type."""
    assert bootstrap("protocol") == [
        [400, "InvalidRequestID"],
        [403, "InvalidStateTransition"],
        [404, "NotFound"],
        [404, "NotFound"],
    ]


def test_answers_are_bounded(bootstrap):
    """413 for the program, Function.ResponseSizeTooLarge for the caller."""
    assert bootstrap.invoke("large").payload["errorType"] == "Function.ResponseSizeTooLarge"
    assert bootstrap("chunks") == "in pieces"
    assert "large 413" in bootstrap.lines()


def test_a_program_that_cannot_begin_says_so(machine):
    """init/error."""
    source = CLIENT + "ask('POST', 'init/error', json.dumps({'errorType': 'Runtime.Mine', 'errorMessage': 'no'}))\n"
    answer = program(machine, source).invoke()
    assert (answer.error, answer.payload["errorType"]) == ("Unhandled", "Runtime.Mine")


def test_a_package_without_the_program(machine):
    """It exits before it asks."""
    answer = machine.package({"x": ""}, runtime="provided.al2023").invoke()
    assert answer.payload["errorType"] == "Runtime.ExitError"


def test_garbage_hurts_nobody(machine):
    """Bytes that are no HTTP end their connection."""
    source = CLIENT + (
        "import socket\n"
        "address = (host.split(':')[0], int(host.split(':')[1]))\n"
        "for text in (b'\\x00' * 100, b'GET / HTTP/9.9\\r\\n\\r\\n', b'GET /' + b'x' * 100000 + b' HTTP/1.1\\r\\n\\r\\n'):\n"
        "    s = socket.create_connection(address); s.sendall(text); s.settimeout(5)\n"
        "    try:\n        s.recv(1000)\n    except OSError: pass\n"
        "status, headers, event = ask('GET', 'invocation/next')\n"
        "ask('POST', 'invocation/' + headers['Lambda-Runtime-Aws-Request-Id'] + '/response', '\"well\"')\n"
        "ask('GET', 'invocation/next')\n"
    )
    assert program(machine, source)() == "well"
