"""Reads headers of files, a JSON list of texts, as Python's parser of mails does, and prints the disposition and the
name of each as JSON."""

import email.message
import email.policy
import json
import sys

found = []
for text in json.load(sys.stdin):
    message = email.message.EmailMessage(policy=email.policy.HTTP)
    message["Content-Disposition"] = text
    found.append([message.get_content_disposition(), message.get_filename()])
json.dump(found, sys.stdout)
