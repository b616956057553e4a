# SPDX-License-Identifier: Apache-2.0
"""Keyword options as an options object of the C library."""

from __future__ import annotations

import os
from collections.abc import Mapping

from opamp import _authorities
from opamp._glue import chars, octets, static_text
from opamp._native import ffi, lib
from opamp.errors import ConfigError, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from opamp.tls import TLS
    from opamp.types import Headers, Options


# Options whose value is a number, by the names of the C library.
_SECONDS = frozenset(
    "heartbeat poll_interval connect_timeout request_timeout response_timeout"
    " ping_interval pong_timeout stop_timeout backoff_min backoff_max"
    " reconnect_delay useful_after throttle_wait retry_after_max offer_deadline"
    " parked_retry trial_timeout trial_interval heartbeat_min heartbeat_max"
    " store_timeout".split()
)
_COUNTS = frozenset(
    "backoff_percent max_receive max_send max_redirects custom_queue event_queue"
    " certificate_renew_percent".split()
)
_SWITCHES = frozenset(
    "compression heartbeat_zero_disables allow_unknown_capabilities"
    " request_instance_uid numeric_hosts own_transport allow_weaker_tls"
    " drop_absent_certificate store request_certificate uid_persist"
    " trace_messages".split()
)
# Set by the binding itself, from other options.
_DERIVED = frozenset("tls_system_ca tls_insecure proxy_from_env log_level".split())

_keys: dict[str, int] = {}


def _number_keys() -> dict[str, int]:
    """The C library's numbers of the options, by name."""
    if not _keys:
        i = 0
        while key := lib.opamp_option_at(i):
            name = static_text(lib.opamp_option_name(key))
            _keys[name.replace("-", "_")] = key
            i += 1
    return _keys


def milliseconds(value: object, name: str) -> int:
    """A duration in seconds, as the C library takes it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{name} must be a number of seconds, not {type(value).__name__}"
        )
    if not 0 <= value < 2**53:  # NaN, too
        raise ConfigError(f"{name}: {value} s is out of range")
    return round(value * 1000)


def limits() -> dict[str, tuple[float, float, float]]:
    """The default, the smallest and the largest value of each option that is a
    number: durations in seconds, sizes in bytes."""
    found = {}
    for name, key in _number_keys().items():
        if name in _SECONDS or name in _COUNTS:
            scale = 1000 if name in _SECONDS else 1
            found[name] = (
                lib.opamp_option_default(key) / scale,
                lib.opamp_option_min(key) / scale,
                lib.opamp_option_max(key) / scale,
            )
    return found


def _set_number(options: Any, name: str, value: int, shown: object) -> None:
    key = _number_keys()[name]
    low, high = lib.opamp_option_min(key), lib.opamp_option_max(key)
    if not low <= value <= high:
        scale, unit = (1000, " s") if name in _SECONDS else (1, "")
        raise ConfigError(
            f"{name}: {shown} is out of range ({low / scale:g} to"
            f" {high / scale:g}{unit})"
        )
    check(lib.opamp_options_set_number(options, key, value), name)


def _set_text(options: Any, key: int, value: object, name: str) -> None:
    check(lib.opamp_options_set_text(options, key, chars(value, name)), name)


def header_pairs(headers: Headers, name: str) -> list[tuple[bytes, bytes]]:
    """Headers as pairs; checks their types, and never tells a value."""
    items = headers.items() if isinstance(headers, Mapping) else headers
    pairs = []
    try:
        for key, value in items:
            pairs.append((chars(key, name), chars(value, f"{name}[{key!r}]")))
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError) or "must be str" in str(error):
            raise
        raise TypeError(
            f"{name} must be a mapping of names to values, or pairs of these"
        ) from None
    return pairs


def uid_bytes(value: object) -> bytes:
    """An instance uid: 16 bytes, a uuid.UUID, or its text."""
    if isinstance(value, str):
        uid = ffi.new("uint8_t[16]")
        data = value.encode(errors="replace")
        text = (ffi.from_buffer(data), len(data))
        check(lib.opamp_uid_parse(uid, text), "instance_uid")
        return bytes(ffi.buffer(uid))
    if not isinstance(value, (bytes, bytearray)):
        value = getattr(value, "bytes", value)
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(
            "instance_uid must be 16 bytes, a uuid.UUID or its text,"
            f" not {type(value).__name__}"
        )
    return bytes(value)


def _pem_text(value: object, name: str) -> str:
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"{name}: is not PEM") from None
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str or bytes, not {type(value).__name__}")
    return value


def _path_text(value: object, name: str) -> str:
    try:
        return os.fspath(value)  # type: ignore[call-overload, no-any-return]
    except TypeError:
        raise TypeError(f"{name} must be a path, not {type(value).__name__}") from None


def _set_tls(options: Any, tls: TLS) -> None:
    from opamp.tls import TLS

    if not isinstance(tls, TLS):
        raise TypeError(f"tls must be opamp.TLS, not {type(tls).__name__}")
    for name, key, convert in (
        ("ca", lib.OPAMP_TEXT_TLS_CA_FILE, _path_text),
        ("ca_pem", lib.OPAMP_TEXT_TLS_CA_PEM, _pem_text),
        ("cert_pem", lib.OPAMP_TEXT_TLS_CERT_PEM, _pem_text),
        ("key_pem", lib.OPAMP_TEXT_TLS_KEY_PEM, _pem_text),
        ("cert", lib.OPAMP_TEXT_TLS_CERT_FILE, _path_text),
        ("key", lib.OPAMP_TEXT_TLS_KEY_FILE, _path_text),
        ("min_version", lib.OPAMP_TEXT_TLS_MIN_VERSION, None),
        ("max_version", lib.OPAMP_TEXT_TLS_MAX_VERSION, None),
    ):
        value = getattr(tls, name)
        if value is not None:
            where = f"tls.{name}"
            text = value if convert is None else convert(value, where)
            _set_text(options, key, text, where)
    if tls.ciphers:
        ciphers = ",".join(tls.ciphers)
        _set_text(options, lib.OPAMP_TEXT_TLS_CIPHERS, ciphers, "tls.ciphers")
    _set_number(options, "tls_system_ca", bool(tls.system_ca), tls.system_ca)
    _set_number(options, "tls_insecure", not tls.verify, tls.verify)


def _set_proxy(options: Any, given: Mapping[str, object]) -> None:
    proxy = given.get("proxy")
    if proxy is None:
        _set_number(options, "proxy_from_env", 1, True)
    elif proxy != "":
        _set_text(options, lib.OPAMP_TEXT_PROXY, proxy, "proxy")
    headers: Any = given.get("proxy_headers", ())
    for name, value in header_pairs(headers, "proxy_headers"):
        status = lib.opamp_options_add_proxy_header(options, name, value)
        check(status, "proxy_headers")


def called(value: Any) -> Any:
    """A value, or what the callable that stands for it returns."""
    return value() if callable(value) else value


def _set_numbers(options: Any, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if name in _SECONDS:
            _set_number(options, name, milliseconds(value, name), f"{value} s")
        elif name in _COUNTS:
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be int, not {type(value).__name__}")
            _set_number(options, name, value, value)
        elif name in _SWITCHES:
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be bool, not {type(value).__name__}")
            _set_number(options, name, int(value), value)


_OTHERS = frozenset(
    "identifying non_identifying instance_uid capabilities headers tls proxy"
    " proxy_headers redact state_dir".split()
)


def build(url: str, given: Options, log_level: int) -> Any:
    """An opamp_options of keyword options; raises with the option's name."""
    values: dict[str, Any] = dict(given)
    for name in values:
        if name not in _SECONDS | _COUNTS | _SWITCHES | _OTHERS:
            raise TypeError(f"there is no option {name!r}")
    out = ffi.new("opamp_options **")
    check(lib.opamp_options_new(out))
    options = ffi.gc(out[0], lib.opamp_options_free)
    # First what says which URLs can be.
    _set_numbers(options, values)
    _set_number(options, "log_level", log_level, log_level)
    _set_text(options, lib.OPAMP_TEXT_URL, url, "url")
    _set_proxy(options, values)
    _authorities.use_those_of_the_host(url)
    if values.get("tls") is not None:
        _set_tls(options, values["tls"])
    if "redact" in values:
        _set_text(options, lib.OPAMP_TEXT_REDACT, values["redact"], "redact")
    if values.get("state_dir") is not None:
        path = _path_text(values["state_dir"], "state_dir")
        _set_text(options, lib.OPAMP_TEXT_STATE_DIR, path, "state_dir")
    if values.get("instance_uid") is not None:
        uid = octets(uid_bytes(values["instance_uid"]), "instance_uid")
        check(lib.opamp_options_set_instance_uid(options, uid), "instance_uid")
    if "capabilities" in values:
        bits = capability_bits(values["capabilities"])
        check(lib.opamp_options_set_capabilities(options, bits), "capabilities")
    for pair in header_pairs(called(values.get("headers", ())), "headers"):
        check(lib.opamp_options_add_header(options, *pair), "headers")
    return options


def capability_bits(value: object) -> int:
    """Capabilities as the bits they are."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"capabilities must be opamp.Capability, not {type(value).__name__}"
        )
    if not 0 <= value < 2**64:
        raise ConfigError(f"capabilities: {value} does not fit into 64 bits")
    return int(value)
