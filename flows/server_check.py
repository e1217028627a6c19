"""Check that Prefect's server answers, once and at the start: Prefect itself tries for minutes and prints nothing."""

import sys
import time
from urllib.parse import urlsplit

import httpx

_RESPONSE_TIMEOUT_SECONDS = 10.0
_CONNECT_TIMEOUT_SECONDS = 10.0  # with a server that is being started beside this process
_REMEDY = "'python -m flows.serve' starts one; without PREFECT_API_URL a run starts its own"


class ServerError(RuntimeError):
    """There is no server to be had; the message says why."""


def check_server(
    url: str, patience: float = _CONNECT_TIMEOUT_SECONDS, timeout: float = _RESPONSE_TIMEOUT_SECONDS
) -> None:
    """Ask the server at ``url``, the address in Prefect's settings, for its version.

    Raises:
        ServerError: nobody listens there within ``patience`` seconds, or who listens does not answer as a Prefect
            server within ``timeout`` seconds.
    """
    place = f"PREFECT_API_URL is {url}"
    until, waiting = time.monotonic() + patience, False
    while True:
        try:
            _ask_version(url, timeout)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if time.monotonic() >= until:
                raise ServerError(f"{place}, and nobody answers there{_proxy_hint(url)} ({error}); {_REMEDY}") from None
            if not waiting:
                print(f"waiting {patience:.0f} s for Prefect's server at {url}", file=sys.stderr, flush=True)
            waiting = True
            time.sleep(0.5)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error).split("\n", maxsplit=1)[0] or type(error).__name__
            raise ServerError(
                f"{place}, and no Prefect server answers there{_proxy_hint(url)} ({reason}); {_REMEDY}"
            ) from None
        else:
            return


def _ask_version(url: str, timeout: float) -> None:
    """As Prefect's own client asks (credentials, certificates, headers), but once.

    Raises:
        httpx.HTTPError: there is no answer, or it is an error.
        ValueError: the answer is not Prefect's, or a proxy's address in the environment is of no use.
    """
    from prefect.client.orchestration import SyncPrefectClient, get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_CLOUD_API_URL, temporary_settings

    if url.startswith(PREFECT_CLOUD_API_URL.value()):
        return
    with temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}):
        try:
            client: SyncPrefectClient = get_client({"timeout": timeout}, sync_client=True)
        except ImportError as error:
            raise ValueError(f"a proxy in the environment can't be used: {error}") from None
        version: object = client.api_version()
    if not isinstance(version, str) or not version[:1].isdigit():
        raise ValueError(f"its version is {version!r}")


def _proxy_hint(url: str) -> str:
    """The proxy that stands before ``url``, in words; nothing where there is none."""
    from urllib.request import getproxies, proxy_bypass

    try:
        parts = urlsplit(url)
        host, proxies = parts.hostname or "", getproxies()
    except ValueError:
        return ""
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or not host or proxy_bypass(host):
        return ""
    return f" through the proxy {proxy} (add {host} to NO_PROXY if it is to be asked directly)"
