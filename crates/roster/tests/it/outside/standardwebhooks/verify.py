"""Reads cases (a secret, headers, a body) as a JSON array, and prints what standardwebhooks says of each."""

import json
import sys

from standardwebhooks import Webhook


def said(case):
    try:
        Webhook(case["secret"]).verify(case["body"], case["headers"])
        return "verified"
    except Exception as error:
        return str(error)


cases = json.loads(sys.stdin.buffer.read().decode("utf-8"))
print(json.dumps([said(case) for case in cases]))
