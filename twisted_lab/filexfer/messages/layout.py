"""How filexfer's messages lie in the stream: as the header protocol's, with these keys to search for."""

from twisted_lab.wire.header import make_layout

LAYOUT = make_layout("path", "to", "size", "offset", "count", "digest", "etag", "kind", "code", "message")
