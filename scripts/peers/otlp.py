"""Parses the trace request of standard input strictly, and prints the names, kinds and attributes of its spans."""
import base64
import json
import sys

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

request = json.load(sys.stdin)
for resource in request["resourceSpans"]:
    for scope in resource["scopeSpans"]:
        for span in scope["spans"]:
            # OTLP has ids in hex where JSON of protobuf has Base64
            for name, size in [("traceId", 16), ("spanId", 8), ("parentSpanId", 8)]:
                raw = bytes.fromhex(span[name])
                assert len(raw) in ((0, size) if name == "parentSpanId" else (size,)), (name, span[name])
                span[name] = base64.b64encode(raw).decode()
parsed = Parse(json.dumps(request), ExportTraceServiceRequest(), ignore_unknown_fields=False)
spans = [span for resource in parsed.resource_spans for scope in resource.scope_spans for span in scope.spans]
assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 1.7e18 for span in spans)
print(json.dumps([
    {"name": span.name, "kind": span.kind, "trace": span.trace_id.hex(), "parent": span.parent_span_id.hex(), "status": span.status.code,
     "attributes": {one.key: one.value.string_value or one.value.int_value for one in span.attributes}}
    for span in spans
]))
