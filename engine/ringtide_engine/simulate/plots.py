"""Two plots of a simulation, as SVG: how the candidate spreads, and how many devices a faulty one hurts."""

from collections.abc import Sequence
from html import escape

from ringtide_engine.simulate.answers import Simulation

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 360, 70, 40, 20, 50
_AXIS, _BAND, _LINE = "#444", "#9ecae1", "#08519c"


def adoption_plot(found: Simulation) -> str:
    """Return the share of devices that run a sound candidate over time: the median, and 80 % of the runs around it."""
    low, middle, high = (found.sound.band(share) for share in (0.1, 0.5, 0.9))
    hours = max(1, len(middle) - 1)
    xs = [hour / hours for hour in range(len(middle))]
    band = _points([*zip(xs, high, strict=True), *reversed(list(zip(xs, low, strict=True)))])
    days = [(day / found.days, str(day)) for day in range(0, found.days + 1, max(1, found.days // 7))]
    marks = [
        f'<polygon points="{band}" fill="{_BAND}" stroke="none"/>',
        f'<polyline points="{_points(zip(xs, middle, strict=True))}" fill="none" stroke="{_LINE}" stroke-width="2"/>',
    ]
    title = (
        f"{found.model} {found.candidate}: devices that run it (median, 10 % to 90 % of {len(found.sound.runs)} runs)"
    )
    return _frame(title, "days", days, [(share / 4, f"{share * 25} %") for share in range(5)], marks)


def harmed_plot(found: Simulation) -> str:
    """Return the runs by the number of devices that a faulty candidate hurts: the share of runs with at most so many."""
    harmed = sorted(run.harmed for run in found.faulty.runs)
    most = max(1, harmed[-1])
    steps: list[tuple[float, float]] = [(0.0, 0.0)]
    for number, count in enumerate(harmed, 1):
        steps += [(count / most, steps[-1][1]), (count / most, number / len(harmed))]
    marks = [f'<polyline points="{_points(steps)}" fill="none" stroke="{_LINE}" stroke-width="2"/>']
    title = f"{found.model} {found.candidate}, faulty: runs that hurt at most so many of {found.devices} devices"
    ticks = [(place / 4, f"{most * place / 4:g}") for place in range(5)]
    return _frame(title, "devices", ticks, [(share / 4, f"{share * 25} %") for share in range(5)], marks)


def _points(places: "Sequence[tuple[float, float]] | zip[tuple[float, float]]") -> str:
    return " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in places)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _frame(
    title: str,
    below: str,
    xs: Sequence[tuple[float, str]],
    ys: Sequence[tuple[float, str]],
    marks: Sequence[str],
) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for share, text in ys:
        y = f"{_y(share):.1f}"
        lines.append(f'<line x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}" stroke="#ddd"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{_y(share) + 4:.1f}" text-anchor="end">{text}</text>')
    lines += marks
    for share, text in xs:
        lines.append(f'<text x="{_x(share):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{text}</text>')
    lines.append(f'<text x="{_x(0.5):.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{below}</text>')
    lines.append(f'<path d="M{_x(0):.1f} {_y(1):.1f}V{_y(0):.1f}H{_x(1):.1f}" fill="none" stroke="{_AXIS}"/>')
    return "\n".join([*lines, "</svg>", ""])
