"""A service that edits images: a real HTTP server on loopback that takes OpenAI's form."""

import base64
import io
import json
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

SECRET = "sk-very-secret"


class Service:
    """Paints everything green; ``statuses`` are given first, one a request."""

    def __init__(self, statuses=()):
        self.forms, self.keys, self.statuses, service = [], [], list(statuses), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
                parts = BytesParser().parsebytes(head + body).get_payload()
                form = {p.get_param("name", header="content-disposition"): p.get_payload(decode=True) for p in parts}
                service.forms.append(form)
                service.keys.append(self.headers["Authorization"])
                status = service.statuses.pop(0) if service.statuses else 200
                buffer = io.BytesIO()
                Image.new("RGB", (64, 64), (0, 255, 0)).save(buffer, "PNG")
                good = {"created": 0, "data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]}
                raw = json.dumps(good if status == 200 else {"error": {"message": f"no: {SECRET}"}}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Retry-After", "0")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
