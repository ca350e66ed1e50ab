"""What the demo ends with, as a value: the same for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOutcome:
    """One device at the end."""

    id: str
    """The device."""
    hardware_class: str
    """Its hardware class."""
    release: str | None
    """Release that it runs."""
    variant: str | None
    """Variant of it."""
    phase: str
    """Where it stands."""
    accuracy: Mapping[str, float]
    """Release to share of live images that it named rightly on this device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOutcome:
    """Everything that the demo claims."""

    devices: tuple[DeviceOutcome, ...]
    """The devices."""
    good: str
    """Release that all run at the end."""
    bad: str
    """Release that was rolled back."""
    canary: tuple[str, ...]
    """Devices of the bad release's canary."""
    exposed: tuple[str, ...]
    """Devices that ever served the bad release."""
    offline: str
    """Device that was away while the good release was rolled out."""
    roll_back_commit: str
    """Commit of the verdict."""
    quarantined: tuple[str, ...]
    """Releases in quarantine."""
    reports_accepted: int
    """Reports whose signature, number and chain held."""
    reports_refused: int
    """Reports that were refused."""
    generations: int
    """Publications."""
    verified: bool
    """Whether `ringtide verify` accepted the last publication for every device."""
    supervisor_memory_mib: float
    """Peak resident memory of the largest agent process, without its worker."""
    seconds: float
    """How long it took."""
    folder: str | None
    """Where everything is kept; None where it was removed."""

    @property
    def is_as_told(self) -> bool:
        """Whether the story ended as it should."""
        return (
            all(device.release == self.good and device.phase == "confirmed" for device in self.devices)
            and bool(self.exposed)
            and set(self.exposed) <= set(self.canary)
            and any(name.endswith(self.bad) for name in self.quarantined)
            and self.reports_refused == 0
            and self.verified
        )

    def to_dict(self) -> dict[str, object]:
        """Write the outcome for `-o json`."""
        confirmed: dict[str, int] = {}
        for device in self.devices:
            if device.phase == "confirmed" and device.release is not None:
                confirmed[device.release] = confirmed.get(device.release, 0) + 1
        return {
            "devices": len(self.devices),
            "confirmed": confirmed,
            "badRelease": {
                "release": self.bad,
                "canary": list(self.canary),
                "exposed": list(self.exposed),
                "exposedOutsideCanary": sorted(set(self.exposed) - set(self.canary)),
                "rollBackCommit": self.roll_back_commit,
            },
            "quarantined": list(self.quarantined),
            "reports": {
                "accepted": self.reports_accepted,
                "refused": self.reports_refused,
                "allVerified": self.reports_refused == 0,
            },
            "publications": {"generations": self.generations, "verified": self.verified},
            "offlineDuringRollout": self.offline,
            "fleet": [
                {
                    "device": device.id,
                    "hardwareClass": device.hardware_class,
                    "release": device.release,
                    "variant": device.variant,
                    "phase": device.phase,
                    "accuracy": {release: round(share, 4) for release, share in sorted(device.accuracy.items())},
                }
                for device in self.devices
            ],
            "supervisorMemoryMiB": round(self.supervisor_memory_mib, 1),
            "seconds": round(self.seconds, 1),
            "folder": self.folder,
            "asTold": self.is_as_told,
        }
