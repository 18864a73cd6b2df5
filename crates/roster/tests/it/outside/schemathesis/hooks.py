"""What schemathesis cannot know from the document: who is new, and which of two rules for an address counts."""

import itertools
import re

import jsonschema_rs
import schemathesis

# zod 3's, and the document's.
PATTERN = re.compile(
    r"(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}"
)
FORMAT = jsonschema_rs.validator_for({"format": "email"}, validate_formats=True)
LONGEST = 254

USER = re.compile(r"usr_[0-9]{10}_[a-z0-9]{9}")

nth = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes a good address a new one, since an address is free only once; makes a doubtful one plainly bad."""
    if case.meta is None:
        return
    # A key names a request once: with another body it is a 422. So each request has its own, if it has a good one.
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]{1,255}", key):
        headers["Idempotency-Key"] = f"t{next(nth)}"
    # Whoever names a version that is not there is told 412.
    if "If-Match" in headers:
        headers["If-Match"] = "*"
    if not isinstance(case.body, dict):
        return
    # Only who is there can be a caregiver, and what is free is free once.
    caregiver = case.body.get("caregiverId")
    if isinstance(caregiver, str) and USER.fullmatch(caregiver):
        case.body = {name: value for name, value in case.body.items() if name != "caregiverId"}
    external_id = case.body.get("externalId")
    if isinstance(external_id, str) and 0 < len(external_id.strip()) < 200:
        case.body = {**case.body, "externalId": f"t{next(nth)}.{external_id}"}
    email = case.body.get("email")
    if not isinstance(email, str) or not PATTERN.fullmatch(email) or len(email) > LONGEST:
        return
    if FORMAT.is_valid(email):
        fresh = f"t{next(nth)}.{email}"
        if len(fresh) > LONGEST:
            fresh = f"t{next(nth)}@example.com"
    else:
        # The contract says `format: email` and the server goes by the pattern, which has no limit on a label: an
        # address that only the pattern takes was sent because it must be refused, and is replaced by one that is.
        fresh = "nobody@nowhere"
    case.body = {**case.body, "email": fresh}
