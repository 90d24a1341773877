"""A server that speaks the protocol of chat completions, well or badly; run by the tests as a process of its own.

``python llm_server.py MODE...``: the n-th request is served in the n-th mode, all further ones in the last. It prints
its port, then a line per request: mode, authorization header, number of words. Modes: ``good``, ``prose`` (text around
the list), ``fewer`` (a word lacking), ``more`` (a word invented), ``twice`` (a word in two groups), ``rambling`` (no
list), ``html``, ``null``, ``drop`` (the connection), ``cut`` (the answer short), ``hang``, ``redirect``, or a status
with perhaps a Retry-After: ``429``, ``429:0``.
"""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODES = sys.argv[1:]
LOCK = threading.Lock()
SERVED = 0


def groups(words: list[str], mode: str) -> str:
    """Words by their first letter, spoilt as the mode wants it."""
    found: dict[str, list[str]] = {}
    for word in words:
        found.setdefault(word[0], []).append(word)
    lists = list(found.values())
    if mode == "fewer":
        lists[-1] = lists[-1][1:]
    if mode == "more":
        lists[0] = [*lists[0], "invented"]
    if mode == "twice":
        lists.append([words[0]])
    text = json.dumps(lists)
    return {"prose": f"Here are the groups:\n```python\n{lists!s}\n```\nDone.", "rambling": "I cannot."}.get(mode, text)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        global SERVED
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = json.loads(body["messages"][-1]["content"])
        with LOCK:
            mode = MODES[min(SERVED, len(MODES) - 1)]
            SERVED += 1
            right = self.path == "/v1/chat/completions" and body["temperature"] == 0 and body["model"] == "tiny"
            print(mode if right else "wrong", self.headers.get("Authorization"), len(words), flush=True)
        if mode == "hang":
            threading.Event().wait()
        elif mode == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif mode == "redirect":
            self.answer(302, b"", {"Location": "http://127.0.0.1:1/elsewhere"})
        elif mode[0].isdigit():
            status, _, wait = mode.partition(":")
            said = json.dumps({"error": {"message": f"no, {self.headers.get('Authorization')}"}}).encode()
            self.answer(int(status), said, {"Retry-After": wait} if wait else {})
        elif mode == "html":
            self.answer(200, b"<html><body>Welcome [to] this page</body></html>", {})
        else:
            content = None if mode == "null" else groups(words, mode)
            usage = {"prompt_tokens": 10, "completion_tokens": 3}
            document = {"choices": [{"message": {"role": "assistant", "content": content}}], "usage": usage}
            self.answer(200, json.dumps(document).encode(), {}, cut=mode == "cut")

    def answer(self, status: int, content: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
