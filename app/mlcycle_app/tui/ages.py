"""Times as people say them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

__all__ = ["age", "local", "moment", "moment_utc", "set_zone", "zone_name"]

UNITS = ((86400 * 365, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

_zone: list[tzinfo] = []


def set_zone(name: str) -> None:
    """Show moments in this IANA zone from now on; the store's are UTC, and ages are the same everywhere."""
    _zone.clear()
    if name != "UTC":
        import zoneinfo

        _zone.append(zoneinfo.ZoneInfo(name))


def local(at: datetime) -> datetime:
    """Return a moment of the store, naive UTC, as clocks of the zone show it, naive too."""
    return at.replace(tzinfo=UTC).astimezone(_zone[0]).replace(tzinfo=None) if _zone else at


def zone_name(at: datetime) -> str:
    """Return what the zone is called at a moment: UTC, CET, CEST."""
    return (at.replace(tzinfo=UTC).astimezone(_zone[0]).tzname() if _zone else None) or "UTC"


def age(at: datetime | None, now: datetime, wall: datetime | None = None) -> str:
    """Return how long ago something was, in its largest unit; empty when it never was.

    Parameters
    ----------
    at
        When it was.
    now
        The story's time.
    wall
        The real time. What lies ahead of the story's clock was done by a process, and is as old as that one says.
    """
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    if seconds < -1 and wall is not None:
        seconds = (wall - at).total_seconds()
    if seconds < 1:
        return "now" if seconds > -86400 else local(at).strftime("%Y-%m-%d")
    size, unit = next((size, unit) for size, unit in UNITS if seconds >= size)
    return f"{int(seconds // size)} {unit}"


def moment(at: datetime) -> str:
    """Return a time to the minute, or the day alone at midnight UTC: that is what windows and snapshots begin at."""
    whole_day = (at.hour, at.minute, at.second) == (0, 0, 0)
    return moment_utc(at) if whole_day else local(at).strftime("%Y-%m-%d %H:%M")


def moment_utc(at: datetime) -> str:
    """Return a time as it stands in the store, to the minute, or the day alone at midnight: commands read it so."""
    midnight = (at.hour, at.minute, at.second) == (0, 0, 0)
    return at.strftime("%Y-%m-%d") if midnight else at.strftime("%Y-%m-%d %H:%M")
