"""Lies about plugins that are unpacked only on request."""

from lies.plugins import in_json, lie, swap, with_status
from support.lies import Group

from harness.relay.http import HttpResponse

SLICES = "/web-viewer/series/.*"


def _reversed(series: dict[str, list[str]]) -> dict[str, list[str]]:
    return {**series, "Slices": series["Slices"][::-1]}


def _another_colour(answer: HttpResponse) -> HttpResponse:
    return swap(b'"RGB"', b'"YBR"')(answer)


LIES = (
    lie("slices come in another order", "GET", SLICES, in_json(_reversed), "VIEW-002", "VIEW-003"),
    lie("an image is said to be in YBR", "GET", "/web-viewer/instances/.*", _another_colour,
        "VIEW-005[p03-0]", "VIEW-005[m01-native-7]"),
    lie("rows are said to be columns", "GET", "/web-viewer/instances/.*",
        swap(b'"rows"', b'"r"'), "VIEW-004"),
    lie("what does not exist is there", "GET", "/web-viewer/.*nope.*", with_status(200),
        "VIEW-001", "VIEW-006[series/nope]", "VIEW-006[instances/nope]", "VIEW-006[instances/jpeg95-nope_0]"),
    lie("the script hears of another method", "POST", "/python/echo/.*", swap(b'"POST"', b'"PUT"'),
        "PYTH-001[POST]"),
    lie("a refused method is allowed", "POST", "/python/only-get", with_status(200), "PYTH-002[POST]"),
    lie("an error of the script is an answer", "GET", "/python/broken", with_status(200), "PYTH-003"),
    lie("the script counts one more", "GET", "/python/count", in_json(lambda count: count + 1),
        "PYTH-004", "PYTH-005"),
    lie("a refused path is let in", "GET", "/python/forbidden", with_status(200), "PYTH-005"),
    lie("an event is missing", "GET", "/python/noted", in_json(lambda each: {
        name: [one for one in some if "NEW_SERIES" not in one][1:] for name, some in each.items()}),
        "PYTH-006", "PYTH-007"),
    lie("a level has other tiles", "GET", "/wsi/pyramids/.*", in_json(
        lambda each: {**each, "TilesCount": [[9, 9]]}), "WSI-001", "WSI-002"),
    lie("each tile is the first one", "GET", "/wsi/tiles/.*", with_status(404),
        "WSI-003[none]", "WSI-003[jpeg2000]",
        "WSI-009[level]", "WSI-009[column]", "WSI-009[row]"),
    lie("a tile beyond the image is there", "GET", "/wsi/tiles/.*9.*", with_status(200),
        "WSI-009[level]", "WSI-009[column]", "WSI-009[row]"),
    lie("colours are called others", "GET", "/instances/[^/]*/simplified-tags",
        swap(b'"PhotometricInterpretation" : "', b'"PhotometricInterpretation" : "X'),
        "WSI-001", "WSI-002", "WSI-004[gray]", "WSI-004[rgb]", "WSI-004[ycbcr]"),
    lie("a part has another number", "GET", "/instances/[^/]*/simplified-tags",
        swap(b'"InConcatenationNumber" : "2"', b'"InConcatenationNumber" : "3"'), "WSI-005"),
    lie("pixels are larger", "GET", "/instances/[^/]*/simplified-tags",
        swap(b'"PixelSpacing" : "0', b'"PixelSpacing" : "1'), "WSI-007"),
)  # fmt: skip

GROUP = Group(
    "plugins_unpacked",
    sample=tuple(sorted({case.partition("[")[0] for each in LIES for case in each.fails})),
    lies=LIES,
    crosswise=False,
    smoke=False,
    plugins=("wsi", "python", "web-viewer"),
)
