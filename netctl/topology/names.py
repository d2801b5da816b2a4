"""What the numbers in LLDP are called."""

from __future__ import annotations

ADVERTISED = (
    "other", "10BASE-T HD", "10BASE-T FD", "100BASE-T4", "100BASE-TX HD", "100BASE-TX FD", "100BASE-T2 HD",
    "100BASE-T2 FD", "PAUSE", "asymmetric PAUSE", "symmetric PAUSE", "asymmetric and symmetric PAUSE",
    "1000BASE-X HD", "1000BASE-X FD", "1000BASE-T HD", "1000BASE-T FD",
)  # fmt: skip
"""ifMauAutoNegCapAdvertisedBits, the first bit first (RFC 4836)."""

MAU = (
    "", "AUI", "10BASE-5", "FOIRL", "10BASE-2", "10BASE-T", "10BASE-FP", "10BASE-FB", "10BASE-FL", "10BROAD36",
    "10BASE-T HD", "10BASE-T FD", "10BASE-FL HD", "10BASE-FL FD", "100BASE-T4", "100BASE-TX HD", "100BASE-TX FD",
    "100BASE-FX HD", "100BASE-FX FD", "100BASE-T2 HD", "100BASE-T2 FD", "1000BASE-X HD", "1000BASE-X FD",
    "1000BASE-LX HD", "1000BASE-LX FD", "1000BASE-SX HD", "1000BASE-SX FD", "1000BASE-CX HD", "1000BASE-CX FD",
    "1000BASE-T HD", "1000BASE-T FD", "10GBASE-X", "10GBASE-LX4", "10GBASE-R", "10GBASE-ER", "10GBASE-LR",
    "10GBASE-SR", "10GBASE-W", "10GBASE-EW", "10GBASE-LW", "10GBASE-SW", "10GBASE-CX4", "2BASE-TL", "10PASS-TS",
    "100BASE-BX10D", "100BASE-BX10U", "100BASE-LX10", "1000BASE-BX10D", "1000BASE-BX10U", "1000BASE-LX10",
    "1000BASE-PX10D", "1000BASE-PX10U", "1000BASE-PX20D", "1000BASE-PX20U", "10GBASE-T", "10GBASE-LRM",
    "1000BASE-KX", "10GBASE-KX4", "10GBASE-KR", "10/1GBASE-PRX-D1", "10/1GBASE-PRX-D2", "10/1GBASE-PRX-D3",
    "10/1GBASE-PRX-U1", "10/1GBASE-PRX-U2", "10/1GBASE-PRX-U3", "10GBASE-PR-D1", "10GBASE-PR-D2", "10GBASE-PR-D3",
    "10GBASE-PR-U1", "10GBASE-PR-U3", "40GBASE-KR4", "40GBASE-CR4", "40GBASE-SR4", "40GBASE-FR", "40GBASE-LR4",
    "100GBASE-CR10", "100GBASE-SR10", "100GBASE-LR4", "100GBASE-ER4", "1000BASE-T1", "1000BASE-PX30D",
    "1000BASE-PX30U", "1000BASE-PX40D", "1000BASE-PX40U", "10/1GBASE-PRX-D4", "10/1GBASE-PRX-U4", "10GBASE-PR-D4",
    "10GBASE-PR-U4", "25GBASE-CR", "25GBASE-CR-S", "25GBASE-KR", "25GBASE-KR-S", "25GBASE-R", "25GBASE-SR",
    "25GBASE-T", "40GBASE-ER4", "40GBASE-R", "40GBASE-T", "100GBASE-CR4", "100GBASE-KR4", "100GBASE-KP4",
    "100GBASE-R", "100GBASE-SR4", "2.5GBASE-T", "5GBASE-T", "100BASE-T1", "1000BASE-RHA", "1000BASE-RHB",
    "1000BASE-RHC", "2.5GBASE-KX", "2.5GBASE-X", "5GBASE-KR", "5GBASE-R", "10GPASS-XR", "25GBASE-LR", "25GBASE-ER",
    "50GBASE-R", "50GBASE-CR", "50GBASE-KR", "50GBASE-SR", "50GBASE-FR", "50GBASE-LR", "50GBASE-ER", "100GBASE-CR2",
    "100GBASE-KR2", "100GBASE-SR2", "100GBASE-DR", "200GBASE-R", "200GBASE-DR4", "200GBASE-FR4", "200GBASE-LR4",
    "200GBASE-CR4", "200GBASE-KR4", "200GBASE-SR4", "200GBASE-ER4", "400GBASE-R", "400GBASE-SR16", "400GBASE-DR4",
    "400GBASE-FR8", "400GBASE-LR8", "400GBASE-ER8", "10BASE-T1L", "10BASE-T1S HD", "10BASE-T1S MD", "10BASE-T1S FD",
)  # fmt: skip
"""IANAifMauTypeListBits, by number (IANA-MAU-MIB)."""

PSE_STATUS = (
    "unknown",
    "2-pair powering",
    "4-pair powering single-signature PD",
    "4-pair powering dual-signature PD",
)
"""IEEE 802.3-2018 as amended by 802.3bt, table 79-6b."""
PD_STATUS = (
    "unknown",
    "powered single-signature PD",
    "2-pair powered dual-signature PD",
    "4-pair powered dual-signature PD",
)
SINGLE = "single-signature PD or 2-pair only PSE"

MED_CAPABILITIES = ("Capabilities", "Policy", "Location", "MDI/PSE", "MDI/PD", "Inventory")
"""By bit (ANSI/TIA-1057, table 10)."""
MED_DEVICES = {
    1: "Generic Endpoint (Class I)",
    2: "Media Endpoint (Class II)",
    3: "Communication Device Endpoint (Class III)",
    4: "Network Connectivity Device",
}
MED_APPLICATIONS = {
    1: "Voice",
    2: "Voice Signaling",
    3: "Guest Voice",
    4: "Guest Voice Signaling",
    5: "Softphone Voice",
    6: "Video Conferencing",
    7: "Streaming Video",
    8: "Video Signaling",
}
"""ANSI/TIA-1057, table 12."""
DATUMS = {1: "WGS84", 2: "NAD83", 3: "NAD83/MLLW"}
"""RFC 3825, 2.1."""
CIVIC = {
    0: "Language",
    1: "Country subdivision",
    2: "County",
    3: "City",
    4: "City division",
    5: "Block",
    6: "Street",
    16: "Direction",
    17: "Trailing street suffix",
    18: "Street suffix",
    19: "Number",
    20: "Number suffix",
    21: "Landmark",
    22: "Additional",
    23: "Name",
    24: "ZIP",
    25: "Building",
    26: "Unit",
    27: "Floor",
    28: "Room",
    29: "Place type",
    128: "Script",
}
"""CAtypes (RFC 4776, 3.4)."""
