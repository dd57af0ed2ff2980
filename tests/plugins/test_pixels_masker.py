"""The pixels masker: it blurs a region of a volume in a copy of the study."""

import numpy as np

from harness.cases import Rest, Stored, Suite, array_of, configured, orthanc_ids

suite = Suite(level="product", needs="rest", ref="Orthanc Book: pixels masker plugin")
pytestmark = configured(plugins="pixels-masker", PixelsMasker={"Enable": True})

SLICES = 22


@suite.case("MASK-001", covers="PixelsMasker.test_pixels_masker.test_basic_study")
def test_only_slices_in_the_volume_change(rest: Rest, stored: Stored) -> None:
    """A mask in space changes only the slices that it intersects, in a study of another patient."""
    samples = [
        stored.instance(
            number=number, rows=32, columns=32,
            ImagePositionPatient=[0, 0, 5 * (number - 4)], PixelSpacing=[1, 1],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], SliceThickness="5",
        )
        for number in range(1, SLICES + 1)
    ]  # fmt: skip
    region = {
        "MaskType": "MeanFilter", "FilterWidth": 30, "RegionType": "3D",
        "Origin": [-100, -100, 0], "End": [100, 100, 40],
    }  # fmt: skip
    source = orthanc_ids(samples[0]).study

    job = rest.post(
        f"/plugins/pixels-masker/studies/{source}/modify",
        {"KeepSource": True, "Force": True, "Replace": {"PatientID": "Masked"}, "Synchronous": True,
         "MaskPixelData": {"Regions": [region]}},
    ).json()  # fmt: skip

    made = rest.json(f"/studies/{job['ID']}")
    assert made["PatientMainDicomTags"]["PatientID"] == "Masked"
    assert job["ParentResources"] == [source]
    slices = rest.json(f"/studies/{job['ID']}/instances")
    assert len(slices) == SLICES
    by_number = {int(each["MainDicomTags"]["InstanceNumber"]): each["ID"] for each in slices}
    same = {
        number: np.array_equal(
            array_of(rest.get(f"/instances/{by_number[number]}/numpy")),
            array_of(rest.get(f"{orthanc_ids(samples[number - 1]).path('instance')}/numpy")),
        )
        for number in (1, 10, 20)
    }
    assert same == {1: True, 10: False, 20: True}
