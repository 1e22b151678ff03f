"""Who may talk to the server: decided by address, origin, token and cookie, and a no is said in plain words.

Any page in the user's browser and any user of the machine can reach a port on loopback. The names in Host keep out
pages whose own name was made to point here, Origin and Sec-Fetch-Site the requests of other pages, the cookie everybody
who has not seen the link.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Guard", "Refused", "is_loopback"]

OWN_FETCHES = ("same-origin", "none")
PLAIN = 80
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Refused(Exception):
    """The request is none of ours; the words are for whoever sent it."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass
class Guard:
    """The doorkeeper of one server.

    Parameters
    ----------
    port
        Where the server listens.
    host
        The address it is bound to.
    """

    port: int
    host: str = "127.0.0.1"
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Opens the door once, for whoever holds the link."""
    _key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _used: bool = False

    @property
    def link(self) -> str:
        """The address to open, with the token."""
        name = "127.0.0.1" if self._any else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """Name of the cookie. Browsers give a cookie to all ports of a host: the name keeps two servers apart."""
        return f"mlcycle-{self.port}"

    @property
    def key(self) -> str:
        """What the cookie must hold."""
        return self._key

    def is_ours(self, host: str) -> bool:
        """Tell whether a Host header names this server."""
        if self.port == PLAIN and not host.endswith(f":{PLAIN}"):
            host += f":{PLAIN}"  # browsers leave it out
        name, _, port = host.rpartition(":")
        if not name or port != str(self.port):
            return False
        if name in LOOPBACK_NAMES or name.strip("[]") == self.host:
            return True
        # Bound to every address: a page cannot make its name point to a number that stands for itself.
        return self._any and _is_number(name.strip("[]"))

    def check_sender(self, headers: Mapping[str, str], *, socket: bool, link: bool) -> None:
        """Refuse what was sent to another name, or from another page.

        Parameters
        ----------
        headers
            Of the request.
        socket
            Whether it opens a WebSocket: a browser then always says its origin.
        link
            Whether it brings a token: the link may be opened from anywhere, a mail for example.
        """
        host = headers.get("Host", "")
        if not self.is_ours(host):
            own = "" if self._any or is_loopback(self.host) else f", {self.host}:{self.port}"
            raise Refused(
                f"mlcycle web answers to 127.0.0.1:{self.port}, localhost:{self.port}{own} and to no other name.\n"
                f"Over SSH forward the same port: ssh -L {self.port}:127.0.0.1:{self.port} THE-MACHINE"
            )
        origin = headers.get("Origin")
        if (origin is None and socket) or (origin is not None and origin != f"http://{host}"):
            raise Refused("Another page has sent this. mlcycle web answers to its own page only.")
        if not link and headers.get("Sec-Fetch-Site", "none") not in OWN_FETCHES:
            raise Refused(
                "Another page has led here. Type the address, or open the link that mlcycle web printed."
            )

    def is_known(self, cookies: Mapping[str, str]) -> bool:
        """Tell whether a request brings the cookie."""
        return _equal(cookies.get(self.cookie, ""), self._key)

    def take(self, token: str) -> None:
        """Let the token open the door, the first time."""
        if not _equal(token, self.token):
            raise Refused(
                "This link is of another start of mlcycle web. Open the one that it printed this time."
            )
        if self._used:
            raise Refused(
                "This link has been used; it opens one browser, once. For another browser start mlcycle web again."
            )
        self._used = True

    @property
    def _any(self) -> bool:
        return self.host in ("0.0.0.0", "::")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _equal(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), wanted.encode())
