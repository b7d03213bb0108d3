"""Notices: told once to whoever listens."""

from cnncli.core.notices import Notice, collecting, notice


def test_notices_are_collected_once_and_in_order() -> None:
    with collecting() as found:
        notice("links", "two links were passed over")
        notice("gaps", "one day is missing")
        notice("links", "two links were passed over")
    assert found == [Notice("links", "two links were passed over"), Notice("gaps", "one day is missing")]


def test_what_is_collected_inside_does_not_reach_whoever_listens_outside() -> None:
    with collecting() as outer:
        with collecting() as inner:
            notice("gaps", "one day is missing")
        notice("links", "two links were passed over")
    assert [found.kind for found in inner] == ["gaps"]
    assert [found.kind for found in outer] == ["links"]


def test_where_nobody_listens_a_notice_is_no_failure() -> None:
    notice("gaps", "one day is missing")
