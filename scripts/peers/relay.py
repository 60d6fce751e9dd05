"""Normalizes the event of standard input as Sentry's Relay does, applies the default rules of its scrubber, and prints both results."""
import json
import sys

from sentry_relay.processing import StoreNormalizer, convert_datascrubbing_config, pii_strip_event

event = json.load(sys.stdin)
normalized = StoreNormalizer(project_id=1).normalize_event(event)
rules = convert_datascrubbing_config({
    "scrubData": True, "scrubDefaults": True, "scrubIpAddresses": True, "sensitiveFields": [], "excludeFields": [],
})
stripped = pii_strip_event(rules, json.loads(json.dumps(normalized)))
print(json.dumps({"normalized": normalized, "stripped": stripped}))
