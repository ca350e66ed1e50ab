"""Every finding that `load` and `validate` make: one table, so that ids stay unique and the documentation complete."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ringtide_engine.model.finding import Finding, Place, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInRule:
    """One kind of finding."""

    id: str
    """Stable id; never given to another meaning."""
    title: str
    """What the change breaks, one sentence."""
    severity: Severity
    """How grave it is."""
    fix: str
    """What to do, where the finding does not know better."""
    waivable: bool = False
    """Whether a waiver may cover it: true where a person can know better than the rule."""


def finding(rule: str, place: Place, message: str, fix: str | None = None) -> Finding:
    """Make a finding of a rule of this table.

    Args:
        rule: Its id.
        place: Where.
        message: What is wrong, with the values.
        fix: A better fix than the table's, where the values show one.
    """
    known = RULES[rule]
    return Finding(rule=rule, severity=known.severity, place=place, message=message, fix=fix or known.fix)


def _table(*rules: BuiltInRule) -> Mapping[str, BuiltInRule]:
    return MappingProxyType({rule.id: rule for rule in rules})


def _error(rule: str, title: str, fix: str, *, waivable: bool = False) -> BuiltInRule:
    return BuiltInRule(id=rule, title=title, severity="error", fix=fix, waivable=waivable)


def _warning(rule: str, title: str, fix: str) -> BuiltInRule:
    return BuiltInRule(id=rule, title=title, severity="warning", fix=fix, waivable=True)


RULES = _table(
    _error("RT-FILE-001", "A YAML file lies where nothing reads it.", "Move it into a folder that ringtide reads."),
    _warning("RT-FILE-002", "A YAML file or folder has a name that ringtide does not read.", "Rename or remove it."),
    _error("RT-FILE-003", "The repository has no fleet.yaml.", "Write fleet.yaml; `ringtide init` makes an example."),
    _error(
        "RT-FILE-004", "A link, a submodule or a device file lies where ringtide reads.", "Put a regular file there."
    ),
    _error("RT-FILE-005", "Two paths are one on machines that do not tell case.", "Rename one of them."),
    _error(
        "RT-FILE-006",
        "A path cannot be checked out, or seen for what it is, on every machine.",
        "Rename it; letters, digits, '.', '_' and '-' do everywhere.",
    ),
    _error("RT-YAML-001", "The file is not UTF-8 text.", "Save the file as UTF-8."),
    _error("RT-YAML-002", "The file is too large.", "Split the file; large inventories go into devices/*.jsonl."),
    _error("RT-YAML-003", "The file is not YAML.", "Mend the syntax at this place."),
    _error("RT-YAML-004", "A file holds exactly one document.", "Put every document into a file of its own."),
    _error("RT-YAML-005", "A key stands twice in one mapping.", "Remove one of the two."),
    _error("RT-YAML-006", "Anchors and aliases are not read.", "Write the value out."),
    _error("RT-YAML-007", "Tags are not read.", "Remove the tag; quote the value where text is meant."),
    _error("RT-YAML-008", "Merge keys are not read.", "Write the merged fields out."),
    _error("RT-YAML-009", "The document is nested too deeply.", "Flatten it."),
    _error("RT-YAML-010", "A key is not plain text.", "Quote the key."),
    _error(
        "RT-YAML-011",
        "A number is not finite, not exact, or not the same to all.",
        "Write another number, or quote it.",
    ),
    _error(
        "RT-YAML-012",
        "A sign cannot be seen, or turns the direction of the text.",
        "Remove the sign; in a quoted value, write it as an escape.",
    ),
    _error("RT-SCHEMA-001", "A value is not what the field takes.", "Write a value that the field takes."),
    _error("RT-SCHEMA-002", "A field is unknown.", "Remove the field."),
    _error("RT-SCHEMA-003", "A field is missing.", "Add the field."),
    _error("RT-SCHEMA-004", "A number or a boolean stands where text is expected.", "Quote the value."),
    _error(
        "RT-SCHEMA-005", "The document is of another kind than its folder holds.", "Move the file or mend its kind."
    ),
    _error("RT-REF-001", "A name differs from the file name.", "Rename the file, or mend the name."),
    _error("RT-REF-002", "A cohort does not exist.", "Name a file of cohorts/."),
    _error("RT-REF-003", "A ring plan does not exist.", "Name a file of rings/."),
    _error("RT-REF-004", "A release does not exist.", "Name a file of models/<model>/."),
    _error("RT-REF-005", "A hardware class does not exist.", "Name a file of hardware/."),
    _error("RT-REF-006", "A placement does not exist.", "Name a file of placements/."),
    _error("RT-REF-007", "An artifact store does not exist.", "Name a store of fleet.yaml's artifactStores."),
    _error("RT-REF-008", "A model has no release.", "Add a release under models/<model>/."),
    _error("RT-DEVICE-001", "Two devices have the same id.", "Give every device an id of its own."),
    _error("RT-DEVICE-002", "Two devices have the same public key.", "Enroll one of them again with a new key."),
    _error("RT-DEVICE-003", "A device is pinned twice for one model.", "Keep one of the two pins."),
    _error("RT-DEVICE-004", "A device's public key cannot be read.", "Paste the PEM text that enrolment printed."),
    BuiltInRule(
        id="RT-DEVICE-005",
        title="The fleet has no device.",
        severity="info",
        fix="Enroll a device: `ringtide-agent enroll` prints what `ringtide device add` takes.",
    ),
    _error("RT-DEVICE-006", "A line of a device inventory cannot be read.", "Write one JSON object a line."),
    _error("RT-DEVICE-007", "A label is written by hand that every device has by itself.", "Remove the label."),
    _warning("RT-COHORT-001", "A cohort in use chooses no device.", "Mend the selector, or label the devices."),
    _error("RT-RING-001", "A ring has both a share and a cohort, or neither.", "Give the ring one of the two."),
    _error("RT-RING-002", "The last ring does not reach everybody.", "Give the last ring `share: 100%`."),
    _error("RT-RING-003", "Shares do not grow from ring to ring.", "Order the rings by share, smallest first."),
    _error("RT-RING-004", "The last ring is compared with a control that it ends.", "Use atLeast or atMost there."),
    _error("RT-RING-005", "A ring and the control together exceed all devices.", "Lower the share or the control."),
    _warning(
        "RT-RING-006",
        "A ring reaches more than twice its declared share.",
        "Raise the declared share, lower minimumPerStratum, or take a label out of the fleet's strata.",
    ),
    _error("RT-RING-007", "Two rings of a plan have the same name.", "Rename one of them."),
    _error("RT-RING-008", "A ring asks for more approvers than it names.", "Lower `least`, or name more in `from`."),
    _error("RT-FREEZE-001", "A freeze ends before it has begun.", "Write in `to` the first day after the freeze."),
    _error("RT-FREEZE-002", "A freeze names no time zone.", "Write an IANA time zone, such as Europe/Berlin."),
    _error(
        "RT-BUDGET-001",
        "A disruption budget can never be kept.",
        "Let one device at least be unavailable, or as many as the ring plan's `unit` moves together.",
    ),
    _error("RT-BUDGET-002", "A disruption budget counts by a label that nobody has.", "Mend the label's name."),
    _error("RT-BUDGET-003", "Two disruption budgets count by one label.", "Keep the stricter one."),
    _error(
        "RT-WINDOW-001",
        "A window is in the time of the site, and nobody knows that of some devices.",
        "Write the label and its values into `timeZones` of fleet.yaml, or an IANA time zone into the window.",
    ),
    _error("RT-GATE-001", "A gate asks for more devices than the ring can expose.", "Lower minDevices."),
    _error("RT-GATE-002", "A gate compares its metric the wrong way round.", "Turn the comparison round."),
    _error("RT-GATE-003", "A gate compares with a control that the plan does not keep.", "Set `control`, or a limit."),
    _error("RT-GATE-004", "A gate asks for a proof that cannot be.", "Write `assurance: observed`, or another limit."),
    _error(
        "RT-GATE-005",
        "A gate asks for a proof that the ring is too small for.",
        "Write `assurance: observed` here, raise the share or the control, or loosen the limit or alpha.",
    ),
    _error("RT-PLACEMENT-001", "Two placements put one model on the same device.", "Narrow one of the cohorts."),
    _error(
        "RT-ROLLOUT-001",
        "Two unfinished rollouts change one placement.",
        "Wait for the first, or remove one of the two.",
    ),
    _error("RT-ROLLOUT-002", "A rollout brings what the placement already runs.", "Remove the rollout."),
    _error(
        "RT-ROLLOUT-003",
        "A placement's release was edited while a completed rollout decides what runs.",
        "Fold the rollout: set `release` to its candidate and remove its file; or start a rollout.",
    ),
    _error(
        "RT-ROLLOUT-004",
        "A rollout brings another release than the one that was judged under its name.",
        "Restore the candidate, and bring the other release by a rollout with a name of its own.",
    ),
    _error("RT-ROLLOUT-005", "The name of a finished rollout is used again.", "Give the rollout a name of its own."),
    _error(
        "RT-ROLLOUT-006",
        "What a rollout under way stands on was changed.",
        "Restore it until the rollout has finished; or remove the rollout, and start another.",
        waivable=True,
    ),
    _error("RT-ROLLOUT-007", "A rollout is paused and aborted at once.", "Remove one of the two."),
    _error("RT-ROLLOUT-008", "A rollout has an approval for no ring of its plan.", "Name a ring of the plan."),
    _warning(
        "RT-ROLLOUT-009",
        "A completed rollout is paused or aborted.",
        "Remove it; to go back, start a rollout of the release before.",
    ),
    _error(
        "RT-ROLLOUT-010",
        "A rollout of the agent itself meets a rollout of a model: where a device fails, nobody could tell which is at fault.",
        "Wait until the other rollout has finished, or let one of them reach other devices.",
        waivable=True,
    ),
    _error(
        "RT-RELEASE-001",
        "No variant of a release fits the hardware it goes to.",
        "Add a variant that fits, or take the hardware class out of the cohort.",
    ),
    _error("RT-RELEASE-002", "A release has no budget for the hardware it goes to.", "Add the class under `budgets`."),
    _error("RT-RELEASE-003", "Two variants of a release have the same name.", "Rename one of them."),
    _error(
        "RT-RELEASE-004",
        "Artifacts of a release have changed after it was merged.",
        "Restore the file, and add a release with a new version.",
    ),
    _error(
        "RT-RELEASE-005",
        "A release of a model lacks what devices ask of it, or a release of the agent itself has it.",
        "Write releases by `ringtide model add`, and those of ringtide-agent by `ringtide runtime add`.",
    ),
    _error("RT-QUARANTINE-001", "A rollout brings a quarantined release.", "Bring a release that is not quarantined."),
    _error(
        "RT-QUARANTINE-002",
        "The release that a cohort runs is quarantined, which would leave its devices naked.",
        "Place a release that is not quarantined.",
    ),
    _error("RT-QUARANTINE-003", "A device is pinned to a quarantined release.", "Pin another release, or none."),
    _error(
        "RT-GUARD-001",
        "A cohort that a placement used has vanished, or chooses nobody any more.",
        "Restore the cohort; to take a model away, set `release: null` in its placement first.",
        waivable=True,
    ),
    _error(
        "RT-GUARD-002",
        "A placement that installs a release was removed.",
        "Set `release: null` in the placement first, and remove it in a later change.",
        waivable=True,
    ),
    _error(
        "RT-GUARD-003",
        "A large part of the devices was removed at once.",
        "Restore them, or set `state: retired` first and remove them in a later change.",
        waivable=True,
    ),
    _error(
        "RT-GUARD-004",
        "A completed rollout was removed, and its release would not stay.",
        "Set `release` to its candidate, and remove with it every completed rollout of the placement.",
        waivable=True,
    ),
    _error("RT-POLICY-001", "A policy set names a rule that does not exist.", "Name a rule of the library."),
    _error("RT-POLICY-002", "A rule's condition is not valid CEL.", "Mend the condition."),
    _error("RT-POLICY-003", "Parameters of a rule do not fit its schema.", "Mend the parameters."),
    _error("RT-POLICY-004", "A rule could not be evaluated on a document.", "Mend the condition for this document."),
    _error("RT-POLICY-005", "A rule is chosen twice.", "Keep one of the two."),
    _error("RT-POLICY-006", "A rule has the id of a rule of the library.", "Give your rule an id of its own."),
    _warning("RT-WAIVER-001", "A waiver has expired.", "Mend what it covered, and remove the waiver."),
    _warning("RT-WAIVER-002", "A waiver covers nothing.", "Remove the waiver, or mend its scope."),
    _error("RT-WAIVER-003", "A waiver names a rule that cannot be waived.", "Name a rule that is in force."),
)
"""Rule id to rule."""
