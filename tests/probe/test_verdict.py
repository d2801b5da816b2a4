"""What follows from how a host answered."""

from __future__ import annotations

from netctl.probe.verdict import Facts, Seat, Seen, Vantage, judge

SEAT = Seat("10.0.0.2", "10.0.0.0/24", "eth1.5", "02:00:00:00:00:02", 1005)
NEAR = Vantage("client", "client", "nic", "02:00:00:00:00:99", "10.0.0.9", near=True)
FAR = Vantage("client", "client", "nic", "02:00:00:00:00:99", "10.9.0.9", near=False)
OWN = Vantage("./eth1.5", "", "eth1.5", SEAT.mac, "", near=True, own=True)
FACTS = Facts({SEAT.mac: "eth1.5", "02:00:00:00:00:01": "eth0"}, ways={("10.0.0.2", "10.9.0.9"): "eth0"})
GOOD = Seen(True, (SEAT.mac,), ("eth1.5",), ("eth1.5",), SEAT.mac, True)


def kinds(vantage: Vantage, seen: Seen, facts: Facts = FACTS) -> list[str]:
    return [fault.kind for fault in judge(SEAT, vantage, seen, facts).faults]


def test_a_good_answer_is_clean_and_silence_is_not_an_answer() -> None:
    assert judge(SEAT, NEAR, GOOD, FACTS).clean
    nothing = judge(SEAT, FAR, Seen(False, (), (), (), "", False), FACTS)
    assert not nothing.faults
    assert not nothing.clean


def test_who_answers_arp() -> None:
    def macs(*macs: str) -> Seen:
        return Seen(True, macs, GOOD.asked, GOOD.left, SEAT.mac, True)

    assert kinds(NEAR, macs("02:00:00:00:00:01", SEAT.mac)) == ["flux"]
    assert kinds(NEAR, macs("02:00:00:00:00:77", SEAT.mac)) == ["taken"]
    assert kinds(NEAR, macs()) == ["unanswered"]
    assert kinds(FAR, macs()) == []
    assert kinds(OWN, Seen(True, (), (), (), "", False)) == []
    assert kinds(OWN, macs("02:00:00:00:00:01")) == ["flux"]
    (fault,) = judge(SEAT, NEAR, macs("02:00:00:00:00:01"), FACTS).faults
    assert "net.ipv4.conf.eth1/5.arp_ignore=1" in fault.remedy, "as sysctl(8) takes a name with a dot"


def test_by_which_nic_an_answer_leaves() -> None:
    assert kinds(FAR, Seen(True, (), ("eth1", "eth1.5"), ("eth1.5", "eth1"), SEAT.mac, True)) == []
    (fault,) = judge(SEAT, FAR, Seen(True, (), ("eth1.5",), ("eth0",), "02:00:00:00:00:01", True), FACTS).faults
    assert fault.kind == "other NIC"
    assert "no rule is for what it sends" in fault.because
    assert fault.remedy.split("`")[1] == (
        "ip route replace default via GATEWAY dev eth1.5 table 1005; "
        "ip rule add priority 11010 from 10.0.0.2 lookup 1005; "
        "ip rule add priority 11000 lookup main suppress_prefixlength 0"
    )
    known = Facts(FACTS.nics, ways=FACTS.ways, networks=("10.9.0.0/16",))
    (fault,) = judge(SEAT, FAR, Seen(True, (), ("eth1.5",), ("eth0",), "02:00:00:00:00:01", True), known).faults
    assert "ip rule add priority 10990 from 10.0.0.2 to 10.9.0.0/16 lookup 1005`" in fault.remedy
    ruled = Facts(FACTS.nics, ways=FACTS.ways, ruled=frozenset({SEAT.address}))
    (fault,) = judge(SEAT, FAR, Seen(True, (), ("eth1.5",), ("eth0",), "02:00:00:00:00:01", True), ruled).faults
    assert "its rule leads to a table that sends so" in fault.because
    assert kinds(FAR, Seen(True, (), ("eth1.5",), ("eth1.5",), SEAT.mac, False)) == ["lost"]


def test_a_question_that_comes_in_by_another_nic() -> None:
    other = Seen(True, (), ("eth0",), ("eth0",), "02:00:00:00:00:01", True)
    assert kinds(FAR, other) == [], "as guests ask whose router the host is"
    twins = Facts(FACTS.nics, ways=FACTS.ways, twins={SEAT.address: frozenset({"eth0"})})
    assert kinds(FAR, other, twins) == ["flux"]


def test_why_nothing_is_answered() -> None:
    silent = Seen(True, (), ("eth1.5",), (), "", False)

    def because(facts: Facts) -> str:
        (fault,) = judge(SEAT, FAR, silent, facts).faults
        assert fault.kind == "dropped"
        return fault.because

    assert "strict" in because(Facts({}, {"eth1.5": 1}, ways=FACTS.ways))
    assert "filter drops" in because(Facts({}, {"eth1.5": 2}, ways=FACTS.ways))
    assert "no route back" in because(Facts({}, {"eth1.5": 1}))
    assert "no echo requests" in because(Facts({}, {"eth1.5": 1}, ways=FACTS.ways, deaf=True))
