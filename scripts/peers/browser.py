"""Opens pages in Chromium, and then URLs that are downloads. Standard input is JSON: the program of the driver,
a folder for downloads, pages, and downloads. The output has the names of the downloaded files, in order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

asked = json.load(sys.stdin)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
driver = subprocess.Popen(
    [asked["driver"], f"--port={port}"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)


def call(path, body=None, method="POST"):
    data = json.dumps(body or {}).encode() if method == "POST" else None
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=150) as answer:
        return json.load(answer)["value"]


def wait_for(condition):
    for _ in range(300):
        if condition():
            return
        time.sleep(0.1)
    raise SystemExit("Chromium took too long")


def listens():
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def files():
    return [name for name in os.listdir(asked["folder"]) if not name.endswith(".crdownload") and not name.startswith(".")]


try:
    wait_for(listens)
    options = {
        "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
            f"--user-data-dir={asked['profile']}",
        ],
        "prefs": {
            "download.default_directory": asked["folder"],
            "download.prompt_for_download": False,
            "safebrowsing.enabled": False,
        },
    }
    session = call("/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})["sessionId"]
    for page in asked["pages"]:
        try:
            call(f"/session/{session}/url", {"url": page})
        except urllib.error.HTTPError:
            pass  # a page that is refused, or a download
        time.sleep(0.3)
    for name in files():
        os.remove(os.path.join(asked["folder"], name))
    names = []
    for url in asked["downloads"]:
        try:
            call(f"/session/{session}/url", {"url": url})
        except urllib.error.HTTPError:
            pass
        wait_for(files)
        names.append(files()[0])
        os.remove(os.path.join(asked["folder"], names[-1]))
    call(f"/session/{session}", method="DELETE")
    json.dump(names, sys.stdout)
finally:
    os.killpg(driver.pid, signal.SIGKILL)
