"""A gateway's address in the settings: scheme://name:secret@host:port/path?option=value, each part percent-encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """`kind` is the scheme without its "+http": aliyun+http://… is the same gateway without TLS (a test peer).

    `secret` is kept out of repr, so that no log shows it.
    """

    setting: str
    kind: str
    plain: bool
    user: str
    host: str
    port: int | None
    path: str
    options: Mapping[str, str]
    secret: str

    def __repr__(self) -> str:
        return f"<{self.kind} {self.user}@{self.host}:{self.port}>"

    @classmethod
    def read(cls, text: str, *, setting: str) -> GatewayAddress:
        """Read an address. Raises ValueError with the setting's name, never with the address (it holds a secret)."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError(f"{setting}: not an address of the form scheme://name:secret@host:port?option=value") from None
        kind, _, way = parts.scheme.partition("+")
        if not kind or way not in ("", "http"):
            raise ValueError(f"{setting}: starts with no gateway's name, such as smpp:// or smtp://")
        user, secret = unquote(parts.username or ""), unquote(parts.password or "")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(setting, kind, way == "http", user, parts.hostname or "", port, unquote(parts.path), options, secret)

    def option(self, name: str, default: str | None = None) -> str:
        """An option's value. Raises ValueError when it is missing and has no default."""
        value = self.options.get(name, default)
        if value is None:
            raise ValueError(f"{self.setting}: {self.kind} needs the option {name}=…")
        return value

    @property
    def netloc(self) -> str:
        """Host, with the port where it is not the usual one: what the Host header says."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """Where its HTTP requests go, without a closing slash."""
        return f"{'http' if self.plain else 'https'}://{self.netloc}{self.path.rstrip('/')}"
