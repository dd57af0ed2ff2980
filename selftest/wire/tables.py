"""PS3.8 Tables 9-6 to 9-10, transcribed independently of dcm.wire.state."""

# PS3.8 Table 9-10, transcribed by state (column by column), where dcm.wire.state has it by event.
# Most states have one answer to most PDUs that arrive: events 3, 4, 6, 10, 12, 13 and 19.
PDUS = (3, 4, 6, 10, 12, 13, 19)
BY_STATE: dict[int, dict[int, str]] = {
    1: {1: "AE-1", 5: "AE-5"},
    2: dict.fromkeys(PDUS, "AA-1") | {6: "AE-6", 16: "AA-2", 17: "AA-5", 18: "AA-2"},
    3: dict.fromkeys(PDUS, "AA-8") | {7: "AE-7", 8: "AE-8", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    4: {2: "AE-2", 15: "AA-2", 17: "AA-4"},
    5: dict.fromkeys(PDUS, "AA-8") | {3: "AE-3", 4: "AE-4", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    6: dict.fromkeys(PDUS, "AA-8")
    | {9: "DT-1", 10: "DT-2", 11: "AR-1", 12: "AR-2", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    7: dict.fromkeys(PDUS, "AA-8")
    | {10: "AR-6", 12: "AR-8", 13: "AR-3", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    8: dict.fromkeys(PDUS, "AA-8") | {9: "AR-7", 14: "AR-4", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    9: dict.fromkeys(PDUS, "AA-8") | {14: "AR-9", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    10: dict.fromkeys(PDUS, "AA-8") | {13: "AR-10", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    11: dict.fromkeys(PDUS, "AA-8") | {13: "AR-3", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    12: dict.fromkeys(PDUS, "AA-8") | {14: "AR-4", 15: "AA-1", 16: "AA-3", 17: "AA-4"},
    13: dict.fromkeys(PDUS, "AA-6") | {6: "AA-7", 16: "AA-2", 17: "AR-5", 18: "AA-2", 19: "AA-7"},
}

# The next states of PS3.8 Tables 9-6 to 9-9; if there are two, for the first and the second half.
NEXT = {
    "AE-1": (4,), "AE-2": (5,), "AE-3": (6,), "AE-4": (1,), "AE-5": (2,), "AE-6": (3, 13),
    "AE-7": (6,), "AE-8": (13,), "DT-1": (6,), "DT-2": (6,),
    "AR-1": (7,), "AR-2": (8,), "AR-3": (1,), "AR-4": (13,), "AR-5": (1,), "AR-6": (7,),
    "AR-7": (8,), "AR-8": (9, 10), "AR-9": (11,), "AR-10": (12,),
    "AA-1": (13,), "AA-2": (1,), "AA-3": (1,), "AA-4": (1,), "AA-5": (1,), "AA-6": (13,),
    "AA-7": (13,), "AA-8": (13,),
}  # fmt: skip
