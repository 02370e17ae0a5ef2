"""What toxiproxy's API can be asked for: paths, methods, and what each does to a `Collection`."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any

from twisted_lab.instruments.proxy.collection import ApiError, Collection
from twisted_lab.instruments.proxy.metrics import show_metrics

#: A status, and what the body is: something for JSON, text as it is, or nothing.
Answer = tuple[int, Any]
#: Gives the JSON of the request's body, which must be of that kind; raises an `ApiError`.
ReadBody = Callable[[type[Any]], Any]
#: Does what is asked for; it is given the names in the path, too.
Handler = Callable[..., Awaitable[Answer]]


class Routes:
    """The paths. `find` gives what can be done at one."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        # A name stands where None does.
        self._table: dict[tuple[str | None, ...], Mapping[str, Handler]] = {
            ("proxies",): {"GET": self._list, "POST": self._create},
            ("populate",): {"POST": self._populate},
            ("reset",): {"POST": self._reset},
            ("version",): {"GET": self._version},
            ("metrics",): {"GET": self._metrics},
            ("proxies", None): {
                "GET": self._show,
                "POST": self._update,
                "PATCH": self._update,
                "DELETE": self._delete,
            },
            ("proxies", None, "toxics"): {"GET": self._list_toxics, "POST": self._add_toxic},
            ("proxies", None, "toxics", None): {
                "GET": self._show_toxic,
                "POST": self._change_toxic,
                "PATCH": self._change_toxic,
                "DELETE": self._remove_toxic,
            },
        }

    def find(self, path: list[str]) -> tuple[Mapping[str, Handler], list[str]]:
        """Give what can be done at a path, by method, and the names in it; an `ApiError` if there is no such path."""
        for pattern, handlers in self._table.items():
            if len(pattern) == len(path) and all(
                part in {None, word} for part, word in zip(pattern, path, strict=True)
            ):
                return handlers, [word for part, word in zip(pattern, path, strict=True) if part is None]
        raise ApiError(404, "there is no such path")

    async def _list(self, read: ReadBody) -> Answer:
        return 200, {name: proxy.to_json() for name, proxy in self._collection.proxies.items()}

    async def _create(self, read: ReadBody) -> Answer:
        return 201, self._collection.create(read(dict)).to_json()

    async def _populate(self, read: ReadBody) -> Answer:
        several = read(list)
        if not all(isinstance(each, dict) for each in several):
            raise ApiError(400, "bad request body: a list of objects is wanted")
        return 201, {"proxies": [proxy.to_json() for proxy in await self._collection.populate(several)]}

    async def _reset(self, read: ReadBody) -> Answer:
        await self._collection.reset()
        return 204, None

    async def _version(self, read: ReadBody) -> Answer:
        return 200, {"version": version("twisted-lab"), "server": "twisted-lab"}

    async def _metrics(self, read: ReadBody) -> Answer:
        return 200, show_metrics(self._collection.proxies.values())

    async def _show(self, read: ReadBody, name: str) -> Answer:
        return 200, self._collection.find(name).to_json()

    async def _update(self, read: ReadBody, name: str) -> Answer:
        self._collection.find(name)
        return 200, (await self._collection.update(name, read(dict))).to_json()

    async def _delete(self, read: ReadBody, name: str) -> Answer:
        await self._collection.delete(name)
        return 204, None

    async def _list_toxics(self, read: ReadBody, name: str) -> Answer:
        return 200, [toxic.to_json() for toxic in self._collection.find(name).toxics]

    async def _add_toxic(self, read: ReadBody, name: str) -> Answer:
        self._collection.find(name)
        return 200, self._collection.add_toxic(name, read(dict)).to_json()

    async def _show_toxic(self, read: ReadBody, name: str, toxic: str) -> Answer:
        return 200, self._collection.find_toxic(name, toxic).to_json()

    async def _change_toxic(self, read: ReadBody, name: str, toxic: str) -> Answer:
        self._collection.find_toxic(name, toxic)
        return 200, self._collection.change_toxic(name, toxic, read(dict)).to_json()

    async def _remove_toxic(self, read: ReadBody, name: str, toxic: str) -> Answer:
        self._collection.remove_toxic(name, toxic)
        return 204, None
