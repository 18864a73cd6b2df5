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

nth = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes a good address a new one, since an address is free only once; makes a doubtful one plainly bad."""
    if case.meta is None or not isinstance(case.body, dict):
        return
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
