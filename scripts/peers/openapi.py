"""The errors of an OpenAPI document, as a list of texts."""
import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

document = json.load(sys.stdin)
print(json.dumps([str(error.message) for error in OpenAPIV31SpecValidator(document).iter_errors()]))
