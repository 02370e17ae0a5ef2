"""The codec alone: bytes in, events out; no socket and no Twisted."""

from twisted_lab.wire.header import HeaderCodec, Message

codec = HeaderCodec()
data = codec.encode(Message({"type": "greeting"}, b"hello"))
for piece in (data[:20], data[20:37], data[37:]):
    print(codec.feed(piece))
codec.eof()

codec.feed(b"\x00\x00\x00\x02[]")
print(codec.error)
