"""What the proxies have moved, as Prometheus reads it, by the names that toxiproxy gives it."""

from collections.abc import Iterable

from twisted_lab.instruments.directions import STREAMS
from twisted_lab.instruments.proxy.proxy import Proxy

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def show_metrics(proxies: Iterable[Proxy]) -> str:
    """Give the text; byte counters move while a connection lasts."""
    everyone = [*proxies]
    lines = []
    for what in ("received", "sent"):
        name = f"toxiproxy_proxy_{what}_bytes_total"
        lines += [f"# HELP {name} Bytes {what}, by proxy and direction.", f"# TYPE {name} counter"]
        for proxy in everyone:
            lines += [f"{name}{_labels(proxy, direction=stream)} {proxy.count(stream, what)}" for stream in STREAMS]
    name = "toxiproxy_proxy_connections"
    lines += [f"# HELP {name} Connections that there are now.", f"# TYPE {name} gauge"]
    lines += [f"{name}{_labels(proxy)} {proxy.connections}" for proxy in everyone]
    return "\n".join([*lines, ""])


def _labels(proxy: Proxy, **more: str) -> str:
    labels = {**more, "listener": proxy.listen, "proxy": proxy.name, "upstream": proxy.upstream}
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
