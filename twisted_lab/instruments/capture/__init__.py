"""
Capture: what passed, kept in a file of packets that Wireshark reads, and looked at as messages.

To record: ``recorder.py`` writes the file, ``recording.py`` is a connection in it, ``wrapping.py`` records a factory's;
``pcapng.py`` is the file's format, ``segment.py`` its packets. To look: ``links.py`` finds the segments in packets,
``streams.py`` puts streams together from them, ``messages.py`` has a codec cut them; ``message_lines.py``,
``sequence.py`` and ``stream_ruler.py`` are three ways to show that. ``dissector.py`` has Wireshark do the same.
"""
