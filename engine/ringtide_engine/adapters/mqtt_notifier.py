"""A retained hint over MQTT 5 that something was published; it wakes polls and says nothing that is believed."""

import json

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ringtide_contract.broker import hint_topic
from ringtide_contract.errors import TransientError
from ringtide_engine import __version__
from ringtide_engine.adapters.mqtt_address import MqttAddress

DELIVERY_LIMIT_S = 10.0
"""A hint that takes longer is not worth waiting for: devices poll by themselves."""

EXPIRY_S = 24 * 3600
"""A device that was away longer has polled by itself since."""


class MqttNotifier:
    """Implements `ports.Notifier`."""

    def __init__(self, address: str) -> None:
        """Keep the broker's address.

        Args:
            address: As `MqttAddress.parse` reads it.

        Raises:
            InputError: Another kind of address, or TLS files that cannot be used.
        """
        broker = MqttAddress.parse(address)
        self._host, self._port, self._login, self._context = broker.host, broker.port, broker.login, broker.context()

    def hint(self, fleet: str, commit: str) -> None:
        """Send the hint; failing to do so delays devices until their next poll and nothing more."""
        answers: list[ReasonCode] = []

        def acknowledged(_client: object, _data: object, _mid: int, reason: ReasonCode, _properties: object) -> None:
            answers.append(reason)

        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_publish = acknowledged
        if self._context is not None:
            client.tls_set_context(self._context)
        if self._login is not None:
            client.username_pw_set(*self._login)
        try:
            client.connect(self._host, self._port)
            client.loop_start()
            told = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            told.MessageExpiryInterval = EXPIRY_S
            told.ContentType = "application/json"
            told.UserProperty = [("sender", f"ringtide/{__version__}")]
            text = json.dumps({"commit": commit})
            sent = client.publish(hint_topic(fleet), text, qos=1, retain=True, properties=told)
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
