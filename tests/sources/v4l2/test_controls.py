"""Controls are set by name; what cannot be had is told in a line, and is left out."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.sources.v4l2.controls import Outcome, set_controls
from tests.fake_v4l2 import FakeControl, FakeDriver

MENU: dict[int, str | int] = {0: "Off", 1: "Fast Mode", 4: "Slow"}


def outcome(driver: FakeDriver, **requested: object) -> Outcome:
    """What becomes of these values."""
    return set_controls(driver.device(), requested)


def refusal(driver: FakeDriver, **requested: object) -> str:
    """Why the one value is refused."""
    became = outcome(driver, **requested)
    assert (became.done, driver.sets) == ((), [])
    (complaint,) = became.complaints
    return complaint


def one(kind: int, **more: object) -> FakeDriver:
    """A camera with one control of the name x."""
    return FakeDriver([FakeControl(5, "X", kind=kind, **more)])  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-40, -40.0])
def test_a_number(value: float) -> None:
    """A number goes to the control of that name, though JSON calls it a fraction."""
    driver = FakeDriver()
    assert outcome(driver, brightness=value) == Outcome(("brightness -40",), ())
    assert driver.sets == [(0x980900, -40)]


@pytest.mark.parametrize("value", [True, 1])
def test_a_switch(value: object) -> None:
    """A switch takes true and false, and 1 and 0."""
    driver = one(2, high=1)
    assert outcome(driver, x=value) == Outcome(("x true",), ())
    assert driver.sets == [(5, 1)]


@pytest.mark.parametrize(
    ("value", "number"),
    [(4, 4), ("Fast Mode", 1), ("fast_mode", 1), ("SLOW", 4), (False, 0), ("off", 0)],
)
def test_a_menu(value: object, number: int) -> None:
    """An item goes by number or name; ``off``, which YAML reads as false, is a word."""
    driver = one(3, high=4, menu=MENU)
    assert outcome(driver, x=value) == Outcome((f"x {number} ({MENU[number]})",), ())
    assert driver.sets == [(5, number)]


def test_a_menu_of_numbers() -> None:
    """An item of numbers goes by its number in the menu, or by its text."""
    driver = one(9, high=1, menu={0: 8, 1: 13})
    outcome(driver, x=1)
    outcome(driver, x="8")
    assert driver.sets == [(5, 1), (5, 0)]


def test_a_button() -> None:
    """A button is pressed by true, whatever the driver tells of it afterwards."""
    driver = one(4, high=0, low=0)
    assert outcome(driver, x=True) == Outcome(("x 1",), ())


def test_a_bitmask() -> None:
    """The highest bit of a mask can be set."""
    driver = one(8, high=-1)
    assert outcome(driver, x=2**31) == Outcome((f"x {2**31}",), ())


@pytest.mark.parametrize(
    ("driver", "value", "takes"),
    [
        (one(1, low=-64, high=64), 65, "-64 to 64; not 65"),
        (one(1, high=250, step=5), -1, "0 to 250 in steps of 5; not -1"),
        (one(1), "much", "0 to 100; not 'much'"),
        (one(1), True, "0 to 100; not true"),
        (one(2, high=1), 2, "true or false; not 2"),
        (one(2, high=1), "auto", "true or false; not 'auto'"),
        (one(3, high=4, menu=MENU), 2, "0 Off, 1 Fast Mode, 4 Slow; not 2"),
        (one(3, high=4, menu=MENU), "slo", "0 Off, 1 Fast Mode, 4 Slow; not 'slo'"),
        (one(3, high=4, menu=MENU), True, "0 Off, 1 Fast Mode, 4 Slow; not true"),
        (one(4), False, "true; not false"),
        (one(4), None, "true; not null"),
        (one(1), 2.5, "0 to 100; not 2.5"),
        (one(1), [40], "0 to 100; not [40]"),
        (one(3, high=4, menu=MENU), {}, "0 Off, 1 Fast Mode, 4 Slow; not {}"),
        (one(8, high=255), 256, "0 to 255, by bits; not 256"),
        (one(5), 3, "nothing that camd can set; not 3"),
        (one(7), "text", "nothing that camd can set; not 'text'"),
    ],
)
def test_what_does_not_fit(driver: FakeDriver, value: object, takes: str) -> None:
    """A value out of range is not set; what the control takes is told."""
    assert refusal(driver, x=value) == f"x takes {takes}"


def test_numbers_that_are_switches() -> None:
    """Where a number can only be 0 or 1, true and false will do."""
    driver = one(1, high=1)
    assert outcome(driver, x=True).done == ("x 1",)


def test_unknown_with_a_near_one() -> None:
    """A slip in a name is answered with the name that was meant."""
    assert refusal(FakeDriver(), brightnes=1) == (
        "brightnes: the camera has no such control; did you mean brightness?"
    )


def test_unknown() -> None:
    """A control that the camera lacks is answered with those that it has."""
    assert refusal(one(1), zoom_absolute=1) == (
        "zoom_absolute: the camera has no such control; it has x"
    )
    assert refusal(FakeDriver([]), zoom=1).endswith("; it has none at all")


def test_read_only() -> None:
    """What can only be read is not tried."""
    assert refusal(one(1, flags=4), x=1) == "x can only be read"


@pytest.mark.parametrize(("word", "number"), [("manual", 1), ("auto", 3)])
def test_exposure(word: str, number: int) -> None:
    """``exposure: manual`` and ``auto`` mean the menu, whatever its items' names."""
    driver = FakeDriver()
    outcome(driver, exposure=word)
    outcome(driver, auto_exposure=word)
    assert driver.sets == [(0x9A0901, number)] * 2


@pytest.mark.parametrize(("items", "number"), [((0, 1, 2, 3), 0), ((1, 2), 2)])
def test_exposure_as_automatic_as_there_is(items: tuple[int, ...], number: int) -> None:
    """``auto`` is whole automatic exposure where the camera has it."""
    menu: dict[int, str | int] = {item: f"Item {item}" for item in items}
    control = FakeControl(0x9A0901, "Auto Exposure", kind=3, high=3, menu=menu)
    driver = FakeDriver([control])
    outcome(driver, exposure="auto")
    assert driver.sets == [(0x9A0901, number)]


def test_exposure_as_a_number() -> None:
    """A number for ``exposure`` goes to a control of that name, if there is one."""
    driver = FakeDriver([FakeControl(0x980911, "Exposure")])
    outcome(driver, exposure=7)
    assert driver.sets == [(0x980911, 7)]
    assert "did you mean auto_exposure" in refusal(FakeDriver(), exposure=7)


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("exposure_auto", "auto_exposure", 1),
        ("exposure_absolute", "exposure_time_absolute", 9),
        ("white_balance_temperature_auto", "white_balance_automatic", False),
    ],
)
def test_names_of_older_kernels(old: str, new: str, value: object) -> None:
    """A name from before Linux 5.16 means the same control as its new one."""
    first, second = FakeDriver(), FakeDriver()
    for driver, name in ((first, old), (second, new)):
        outcome(driver, exposure="manual")
        outcome(driver, **{name: value})
    assert first.sets == second.sets
    assert len(first.sets) == 2


def test_switches_first() -> None:
    """What switches another control is set before it, whatever stands first."""
    driver = FakeDriver()
    became = outcome(driver, exposure_time_absolute=9, exposure="manual")
    assert [number for number, _ in driver.sets] == [0x9A0901, 0x9A0902]
    assert became.complaints == ()


def test_a_control_that_does_nothing() -> None:
    """A driver may take a value that an automatic control overrides: that is told."""
    driver = FakeDriver()
    became = outcome(driver, exposure_time_absolute=9)
    assert became == Outcome(
        (),
        (
            "exposure_time_absolute does nothing now, as another control that sets it"
            " by itself is on",
        ),
    )


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EIO, "brightness was refused: input/output error"),
        (errno.EBUSY, "brightness cannot be set while pictures come"),
    ],
)
def test_refused_by_the_driver(number: int, reason: str) -> None:
    """What the driver refuses is told, and the others are set."""
    driver = FakeDriver()
    driver.faults[0x980900] = number
    became = outcome(driver, brightness=1, focus_absolute=10)
    assert became == Outcome(("focus_absolute 10",), (reason,))


def test_refused_as_it_is_inactive() -> None:
    """What a driver refuses for an automatic control has that as its reason."""
    driver = FakeDriver()
    driver.faults[0x9A0902] = errno.EACCES
    assert "does nothing now" in refusal(driver, exposure_time_absolute=9)


def test_rounded() -> None:
    """What the driver makes of a value between two steps is told."""
    assert outcome(FakeDriver(), focus_absolute=13).done == (
        "focus_absolute 15 (the nearest to 13)",
    )


def test_gone_meanwhile() -> None:
    """A camera that is unplugged just now is no matter of one control."""
    driver = FakeDriver()
    driver.faults[0x980900] = errno.ENODEV
    with pytest.raises(OSError, match="error"):
        outcome(driver, brightness=1)


NAMES = st.sampled_from(
    ["brightness", "auto_exposure", "exposure", "focus_absolute", "power_line", ""]
)
VALUES = st.integers() | st.booleans() | st.text(max_size=9)


@settings(deadline=None)
@given(st.dictionaries(NAMES | st.text(max_size=9), VALUES, max_size=6))
def test_any_values(requested: dict[str, int | bool | str]) -> None:
    """Each is set or complained of, in one line, and none is out of range."""
    driver = FakeDriver()
    became = set_controls(driver.device(), requested)
    assert len(became.done) + len(became.complaints) == len(requested)
    for number, value in driver.sets:
        control = driver.controls[number]
        assert control.low <= value <= control.high
