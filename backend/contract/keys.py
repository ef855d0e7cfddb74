"""Who may talk: the user folder, the connection file, the keys of the two sides, the allow-list.

    HOME/connection.json   where the running server listens, and its public key
    HOME/client.json       this install's own key pair
    HOME/clients/          public keys that the server lets in, one file each

Files are 0600 and folders 0700; on Windows the user's profile keeps others out.
"""

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import zmq

from .errors import LinkError, RefusedError
from .messages import PROTOCOL
from .process import FileLock, boot_id, is_alive, start_time

DOMAIN = "impetus"
"ZAP domain of both sockets; pyzmq's `*` does not match a named domain, so it is spelled out."

Z85Key = Annotated[str, msgspec.Meta(min_length=40, max_length=40)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class KeyPair(msgspec.Struct, frozen=True):
    """A CURVE key pair, Z85."""

    public: Z85Key
    secret: Z85Key

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


class Connection(msgspec.Struct, frozen=True):
    """Where a server listens and how to know it; valid while its process lives."""

    home: str
    host: str
    control: Port
    bulk: Port
    server_key: Z85Key
    pid: Annotated[int, msgspec.Meta(ge=1)]
    started: str
    boot: str
    version: str
    protocol: tuple[int, int]


class _Allowed(msgspec.Struct, frozen=True):
    public: Z85Key


def user_folder() -> Path:
    """Return the folder of this user's Impetus: where the platform keeps applications' own data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "impetus"


def private_folder(path: Path) -> Path:
    """Make `path` (and what is missing above it) and shut it for others."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    file, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(file, "wb") as stream:  # mkstemp made it 0600
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def read_private(path: Path) -> bytes:
    """Read a file that must be ours alone. Raises RefusedError when others can read or write it."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(file, "rb") as stream:
        if os.name == "posix":
            status = os.fstat(stream.fileno())
            if status.st_uid != os.getuid() or status.st_mode & 0o077:
                raise RefusedError(
                    f"Expected {path} to be readable by you alone, "
                    f"got mode {stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}.",
                    "Delete it and connect again.",
                )
        return stream.read(1 << 20)


def make_keypair() -> KeyPair:
    """Return a new key pair. Raises LinkError when this ZeroMQ was built without CURVE."""
    if not zmq.has("curve"):
        raise LinkError("Expected a ZeroMQ with CURVE, got one without.", "Install pyzmq's wheel.")
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def client_keys(home: Path) -> KeyPair:
    """Return this install's key pair, made and put on the allow-list where it is missing."""
    private_folder(home)
    path = home / "client.json"
    with FileLock(home / "client.lock"):
        try:
            keys = msgspec.json.decode(read_private(path), type=KeyPair)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            keys = make_keypair()
            write_private(path, msgspec.json.encode(keys))
        if keys.public not in allowed_keys(home):
            allow_client(home, keys.public)
    return keys


def allow_client(home: Path, public: str) -> None:
    """Let the client with this public key talk to the servers of `home`."""
    folder = private_folder(home / "clients")
    name = hashlib.sha256(public.encode()).hexdigest()[:16]
    write_private(folder / f"{name}.json", msgspec.json.encode(_Allowed(public)))


def allowed_keys(home: Path) -> frozenset[str]:
    """Return the public keys on the allow-list; a file not ours or not whole lets nobody in."""
    keys = set()
    for path in (home / "clients").glob("*.json"):
        try:
            keys.add(msgspec.json.decode(read_private(path), type=_Allowed).public)
        except (OSError, RefusedError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return frozenset(keys)


def describe_self(home: Path, control: int, bulk: int, server_key: str, version: str) -> Connection:
    """Return the connection to the server that this process is."""
    pid = os.getpid()
    return Connection(
        str(home), "127.0.0.1", control, bulk, server_key, pid, start_time(pid), boot_id(), version,
        PROTOCOL,
    )  # fmt: skip


def connection_path(home: Path) -> Path:
    return home / "connection.json"


def write_connection(home: Path, connection: Connection) -> None:
    """Tell where the server listens; readers see the old file or the new, never half of one."""
    write_private(connection_path(home), msgspec.json.encode(connection))


def read_connection(home: Path) -> Connection:
    """Return the connection to the running server of `home`.

    Raises LinkError when there is none (no file, half a file, or its process is gone),
    RefusedError when others could have read or written the file.
    """
    path = connection_path(home)
    try:
        connection = msgspec.json.decode(read_private(path), type=Connection)
    except FileNotFoundError as err:
        raise LinkError("No backend is running.", "Connect, and it is started.") from err
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as err:
        raise LinkError(
            f"Expected a whole connection file at {path}, got: {err}.", "Connect again."
        ) from err
    if not is_alive(connection.pid, connection.started, connection.boot):
        raise LinkError("The backend that was running has ended.", "Connect, and it is started.")
    # The file may have been copied from elsewhere; keys and clients are those of the folder asked.
    return msgspec.structs.replace(connection, home=str(home))


def remove_connection(home: Path, server_key: str) -> None:
    """Delete the connection file if it is that of the server with this key."""
    path = connection_path(home)
    try:
        if msgspec.json.decode(read_private(path), type=Connection).server_key == server_key:
            path.unlink()
    except (OSError, RefusedError, msgspec.MsgspecError, UnicodeDecodeError):
        return
