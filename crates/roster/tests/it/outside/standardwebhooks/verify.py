"""What the PyPI package says of messages: a line {"secret", "headers", "body"} each, answered "ok" or with what is wrong."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

for line in sys.stdin.readlines():
    message = json.loads(line)
    try:
        Webhook(message["secret"]).verify(message["body"], message["headers"])
        print("ok")
    except WebhookVerificationError as error:
        print(error)
