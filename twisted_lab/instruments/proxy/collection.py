"""All proxies, by name, as toxiproxy's API knows them; what can't be done raises an `ApiError`, with its status."""

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import ensureDeferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from twisted_lab.instruments.faults.toxic import StreamError, Toxic, from_json
from twisted_lab.instruments.proxy.addresses import client_endpoint, server_endpoint
from twisted_lab.instruments.proxy.proxy import Proxy, ToxicExistsError
from twisted_lab.net.listening import ListenError

#: Proxies that there are at most.
MAX_PROXIES = 256


class ApiError(Exception):
    """What a client of the API is told: a sentence, and an HTTP status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Collection:
    """The proxies. `seed`, and what else there is by keyword, is what each `Proxy` is given."""

    def __init__(self, reactor: IReactorTime, *, seed: int, **common: Any) -> None:
        self.proxies: dict[str, Proxy] = {}
        self.seed = seed
        self._reactor = reactor
        self._common = common

    def make(self, name: str, upstream: str, **options: Any) -> Proxy:
        """Make a proxy that doesn't listen yet; ValueError."""
        return Proxy(
            self._reactor,
            name,
            client_endpoint(self._reactor, upstream),
            seed=self.seed,
            upstream_text=upstream,
            **self._common,
            **options,
        )

    def add(self, proxy: Proxy) -> None:
        """Take in a proxy."""
        self.proxies[proxy.name] = proxy

    def find(self, name: str) -> Proxy:
        """Give a proxy."""
        if name not in self.proxies:
            raise ApiError(404, "proxy not found")
        return self.proxies[name]

    def create(self, fields: Mapping[str, Any]) -> Proxy:
        """Make a proxy from a JSON object, and start it if that is wanted."""
        proxy = self._read(fields)
        if proxy.name in self.proxies:
            raise ApiError(409, "proxy already exists")
        self._take(proxy, start=_flag(fields, "enabled", otherwise=True))
        return proxy

    async def populate(self, several: list[Mapping[str, Any]]) -> list[Proxy]:
        """Make several; one that is there already, at the same places, stays, and another of its name is replaced."""
        made = [(self._read(fields), _flag(fields, "enabled", otherwise=True)) for fields in several]
        if len({proxy.name for proxy, _ in made}) < len(made):
            raise ApiError(400, "bad request body: two proxies have the same name")
        done = []
        for proxy, enabled in made:
            before = self.proxies.get(proxy.name)
            if before is None:
                self._take(proxy, start=enabled)
            elif before.stands_at(proxy.listen) and before.upstream == proxy.upstream:
                await self._enable(before, wanted=enabled)
            else:
                await self._replace(before, proxy, start=enabled)
            done.append(self.proxies[proxy.name])
        return done

    async def update(self, name: str, fields: Mapping[str, Any]) -> Proxy:
        """Enable or disable a proxy, or have it elsewhere; its connections are closed then."""
        proxy = self.find(name)
        enabled = _flag(fields, "enabled", otherwise=proxy.enabled)
        listen = _text(fields, "listen") or proxy.listen
        upstream = _text(fields, "upstream") or proxy.upstream
        try:
            there = client_endpoint(self._reactor, upstream)
            here = server_endpoint(self._reactor, listen)
        except ValueError as error:
            raise ApiError(400, f"bad request body: {error}") from None
        if upstream != proxy.upstream or not proxy.stands_at(listen):
            await proxy.stop()
            proxy.lead_to(upstream, there)
            if not proxy.stands_at(listen):
                proxy.listen_on(listen, here)
        await self._enable(proxy, wanted=enabled)
        return proxy

    async def delete(self, name: str) -> None:
        """Stop a proxy, and forget it."""
        proxy = self.find(name)
        del self.proxies[name]
        await proxy.stop()

    async def reset(self) -> None:
        """Remove all faults, and start all proxies."""
        for proxy in self.proxies.values():
            for toxic in [*proxy.toxics]:
                proxy.remove(toxic.name)
        for proxy in self.proxies.values():
            _start(proxy)

    async def stop(self) -> None:
        """Stop all proxies, at the same time."""
        await gatherResults([ensureDeferred(proxy.stop()) for proxy in self.proxies.values()])

    def add_toxic(self, name: str, fields: Mapping[str, Any]) -> Toxic:
        """Have a fault on a proxy."""
        proxy = self.find(name)
        try:
            toxic = from_json(fields)
            proxy.add(toxic)
        except LookupError as error:
            raise ApiError(400, f"invalid toxic type: {error.args[0]}") from None
        except StreamError:
            raise ApiError(400, "stream was invalid, can be either upstream or downstream") from None
        except ValueError as error:
            raise ApiError(400, f"bad request body: {error}") from None
        except ToxicExistsError as error:
            raise ApiError(409, f"toxic already exists: {error}") from None
        return toxic

    def find_toxic(self, name: str, toxic: str) -> Toxic:
        """Give a fault of a proxy."""
        try:
            return self.find(name).find(toxic)
        except KeyError:
            raise ApiError(404, "toxic not found") from None

    def change_toxic(self, name: str, toxic: str, fields: Mapping[str, Any]) -> Toxic:
        """Give a fault other attributes, or another toxicity."""
        before = self.find_toxic(name, toxic)
        try:
            after = before.changed(fields)
        except ValueError as error:
            raise ApiError(400, f"bad request body: {error}") from None
        self.find(name).change(after)
        return after

    def remove_toxic(self, name: str, toxic: str) -> None:
        """Remove a fault."""
        self.find_toxic(name, toxic)
        self.find(name).remove(toxic)

    def _read(self, fields: Mapping[str, Any]) -> Proxy:
        name, upstream, listen = (_text(fields, key) for key in ("name", "upstream", "listen"))
        for key, value in (("name", name), ("upstream", upstream)):
            if not value:
                raise ApiError(400, f"missing required field: {key}")
        try:
            return self.make(name, upstream, listen=[(listen, server_endpoint(self._reactor, listen))])
        except ValueError as error:
            raise ApiError(400, f"bad request body: {error}") from None

    def _take(self, proxy: Proxy, *, start: bool) -> None:
        if len(self.proxies) >= MAX_PROXIES:
            raise ApiError(409, f"there are {MAX_PROXIES} proxies already")
        if start:
            _start(proxy)
        self.proxies[proxy.name] = proxy

    async def _replace(self, before: Proxy, proxy: Proxy, *, start: bool) -> None:
        """Have a proxy in place of another, which stays if that can't be."""
        started = before.enabled
        await before.stop()
        try:
            if start:
                _start(proxy)
        except ApiError:
            if started:
                _start(before)
            raise
        self.proxies[proxy.name] = proxy

    async def _enable(self, proxy: Proxy, *, wanted: bool) -> None:
        if not wanted:
            await proxy.stop()
        elif not proxy.enabled:
            _start(proxy)


def _start(proxy: Proxy) -> None:
    try:
        proxy.start()
    except ListenError as error:
        raise ApiError(500, str(error)) from None


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key) or ""
    if not isinstance(value, str):
        raise ApiError(400, f"bad request body: {key} is a string")
    return value


def _flag(fields: Mapping[str, Any], key: str, *, otherwise: bool) -> bool:
    value = fields.get(key)
    if value is not None and not isinstance(value, bool):
        raise ApiError(400, f"bad request body: {key} is true or false")
    return otherwise if value is None else value
