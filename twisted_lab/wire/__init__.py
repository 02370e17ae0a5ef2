"""Sans-I/O codecs: bytes in, events out. Nothing here knows Twisted or a socket."""
