"""A retained hint over MQTT 5 that something was published; it wakes polls and says nothing that is believed."""

import json
import ssl
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from ringtide_contract.errors import InputError, TransientError

DELIVERY_LIMIT_S = 10.0
"""A hint that takes longer is not worth waiting for: devices poll by themselves."""


class MqttNotifier:
    """Implements `ports.Notifier`."""

    def __init__(self, address: str) -> None:
        """Keep the broker's address.

        Args:
            address: `mqtt://host[:port]` or `mqtts://host[:port]`, with `user:password@` where the broker asks for it.

        Raises:
            InputError: Another kind of address.
        """
        parts = urlsplit(address)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise InputError("a broker is named mqtt://host[:port] or mqtts://host[:port]")
        self._host, self._tls = parts.hostname, parts.scheme == "mqtts"
        self._port = parts.port or (8883 if self._tls else 1883)
        self._login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))

    def hint(self, fleet: str, commit: str) -> None:
        """Send the hint; failing to do so delays devices until their next poll and nothing more."""
        answers: list[ReasonCode] = []

        def acknowledged(_client: object, _data: object, _mid: int, reason: ReasonCode, _properties: object) -> None:
            answers.append(reason)

        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_publish = acknowledged
        if self._tls:
            client.tls_set_context(ssl.create_default_context())
        if self._login is not None:
            client.username_pw_set(*self._login)
        try:
            client.connect(self._host, self._port)
            client.loop_start()
            sent = client.publish(f"ringtide/v1/{fleet}/hint", json.dumps({"commit": commit}), qos=1, retain=True)
            sent.wait_for_publish(DELIVERY_LIMIT_S)
            delivered = sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS and sent.is_published()
            refused = next((str(answer) for answer in answers if answer.is_failure), None)
        except (OSError, ValueError, RuntimeError) as error:
            raise TransientError(f"the broker {self._host}:{self._port} did not take the hint: {error}") from error
        finally:
            client.disconnect()
            client.loop_stop()
        if refused is not None:  # only MQTT 5 says so; an older broker would have called it a success
            raise TransientError(f"the broker {self._host}:{self._port} refused the hint: {refused}")
        if not delivered:
            raise TransientError(f"the broker {self._host}:{self._port} did not confirm the hint")
