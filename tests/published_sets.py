"""Small data sets of invented rows in the form of official downloads: tables, folders, and noise for photographs."""

import csv
import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

PAD = (
    "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,gender,skin_cancer_history,"
    "cancer_history,has_piped_water,has_sewage_system,fitspatrick,region,diameter_1,diameter_2,diagnostic,itch,grew,"
    "hurt,changed,bleed,elevation,img_id,biopsed"
)
SCIN_CASES = (
    "case_id,source,release,year,age_group,sex_at_birth,fitzpatrick_skin_type,textures_flat,body_parts_arm,"
    "related_category,condition_duration,image_1_path,image_2_path,image_3_path,image_1_shot_type,image_2_shot_type,"
    "image_3_shot_type,combined_race,race_ethnicity_two_or_more_after_mitigation"
)
SCIN_LABELS = (
    "case_id,dermatologist_gradable_for_skin_condition_1,dermatologist_gradable_for_skin_condition_2,"
    "dermatologist_gradable_for_skin_condition_3,dermatologist_skin_condition_on_label_name,"
    "dermatologist_skin_condition_confidence,weighted_skin_condition_label,"
    "dermatologist_gradable_for_fitzpatrick_skin_type_1,dermatologist_gradable_for_fitzpatrick_skin_type_2,"
    "dermatologist_gradable_for_fitzpatrick_skin_type_3,dermatologist_fitzpatrick_skin_type_label_1,"
    "dermatologist_fitzpatrick_skin_type_label_2,dermatologist_fitzpatrick_skin_type_label_3,"
    "gradable_for_monk_skin_tone_india,gradable_for_monk_skin_tone_us,monk_skin_tone_label_india,"
    "monk_skin_tone_label_us"
)
DDI = ",DDI_ID,DDI_file,skin_tone,malignant,disease"
HAM = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"
C_LIST = (
    "filepath,filename,diag,fst,partition,md5hash,fitzpatrick,label,nine_partition_label,three_partition_label,qc,url,"
    "url_alphanum,orig_img_name,new_img_name"
)
ISIC = (
    "isic_id,attribution,copyright_license,age_approx,diagnosis_1,diagnosis_2,diagnosis_3,diagnosis_4,"
    "fitzpatrick_skin_type,image_manipulation,image_type,lesion_id,patient_id,sex"
)
DERMACON = (
    "Image_name,Subject_ID,Quality,Sex,Age,Gradability,Fitzpatrick,Monk_skin_tone,Body_part,Descriptors,Main_class,"
    "Sub_class,Disease_label,Confidence"
)


def table(path: Path, header: str, rows, delimiter=",", quoting=csv.QUOTE_MINIMAL, end="\n"):
    """Write a table; ``rows`` give the columns that they say something of by name, others are blank."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names, stream = header.split(","), io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerow(names)
    assert not {name for row in rows for name in row} - {*names}
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    path.write_bytes(stream.getvalue().encode())
    return path


def pictures(folder: Path, *names):
    """Noise under each name, other noise for another name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(zlib.crc32(path.name.encode())).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(noise).save(path)


def pad(folder: Path):
    """Two images a lesion, lesion numbers that several patients share, parts nested once and twice."""
    rows = []
    for patient in range(16):
        known = {"fitspatrick": f"{(1, 2, 4, 5)[patient % 4]}.0", "gender": "FEMALE"} if patient < 14 else {}
        label = ("BCC", "NEV")[patient // 4 % 2] if patient < 14 else "NEV"
        for image in range(2):
            name = f"PAT_{patient}_{100 + patient % 3}_{image}.png"
            lesion = {"patient_id": f"PAT_{patient}", "lesion_id": f"{100 + patient % 3}"}
            rows.append({**lesion, **known, "diagnostic": label, "img_id": name, "itch": "UNK", "age": "60"})
            nested = "imgs_part_1/imgs_part_1" if patient % 2 else "imgs_part_2"
            pictures(folder, f"images/{nested}/{name}")
    table(folder / "metadata.csv", PAD, rows)


def scin(folder: Path):
    """Two or three photographs a case; labels in another order than cases."""
    cases, labels = [], []
    for n in range(16):
        case, fst = f"-12345678901234567{n:02d}", f"FST{(1, 2, 5, 6)[n % 4]}"
        paths = {f"image_{k}_path": f"dataset/images/-70000000000000{n:02d}{k}.png" for k in range(1, 3 + n % 2)}
        pictures(folder, *paths.values())
        cases.append({"case_id": case, "source": "SCIN", "fitzpatrick_skin_type": fst, **paths})
        label = ("Eczema", "SCC/SCCIS")[n // 4 % 2]
        weights = {"weighted_skin_condition_label": f"{{'{label}': 0.67, 'Acute dermatitis, NOS': 0.33}}"}
        labels.append({"case_id": case, **weights, "dermatologist_fitzpatrick_skin_type_label_1": fst})
    table(folder / "dataset/scin_cases.csv", SCIN_CASES, cases)
    table(folder / "dataset/scin_labels.csv", SCIN_LABELS, labels[::-1])


def ddi(folder: Path):
    """A flat folder; the first column has no name."""
    rows = []
    for n in range(1, 25):
        disease = ("basal-cell-carcinoma", "melanocytic-nevi")[n % 2]
        tone = ("12", "34", "56")[n // 2 % 3]
        row = {"": str(n - 1), "DDI_ID": str(n), "DDI_file": f"{n:06d}.png", "skin_tone": tone}
        rows.append({**row, "malignant": str(n % 2 == 0), "disease": disease})
        pictures(folder, f"{n:06d}.png")
    table(folder / "ddi_metadata.csv", DDI, rows)


def ham(folder: Path):
    """Dataverse's archival table, two parts of which one is there twice, and segmentations."""
    rows = []
    for n in range(24):
        name = f"ISIC_09900{n:02d}"
        row = {"lesion_id": f"HAM_09000{n // 2:02d}", "image_id": name, "dx": ("nv", "mel")[n // 2 % 2]}
        rows.append({**row, "age": "45.0" if n else "0.0", "sex": ("male", "female")[n // 4 % 2], "dx_type": "histo"})
        parts = ("HAM10000_images_part_1", "ham10000_images_part_1") if n < 12 else ("HAM10000_images_part_2",)
        pictures(folder, *(f"{part}/{name}.jpg" for part in parts))
        mask = np.zeros((20, 20), np.uint8)
        mask[5:12, 5:12] = 255
        path = folder / f"HAM10000_segmentations_lesion_tschandl/{name}_segmentation.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(path)
    table(folder / "HAM10000_metadata.tab", HAM, rows, "\t", csv.QUOTE_ALL)


def c_list(folder: Path, renamed=True):
    """A corrected list of Fitzpatrick17k, and its images under either name; of two the type is not known."""
    rows = []
    for n in range(18):
        md5, fst = f"{n:032x}", (1, 2, 5, 6)[n % 4] if n < 16 else 0
        diag, label = (("ps", "psoriasis"), ("po-ac", "porokeratosis actinic"))[n // 4 % 2]
        new = f"{diag}_f{fst}_{n}_{md5[:8]}.jpg"
        rows.append(
            {
                "filepath": f"{diag}_9/{new}", "filename": new[:-4], "diag": diag, "fst": str(fst), "md5hash": md5,
                "partition": ("train", "train", "val", "test")[n // 4 % 4], "fitzpatrick": str(fst or -1),
                "label": label, "orig_img_name": f"{md5}.jpg", "new_img_name": new,
                "url": "http://example.invalid/img?imageId=7" if n else "",
            }
        )  # fmt: skip
        pictures(folder / "images", f"Renamed/{diag}_9/{new}" if renamed else f"data/finalfitz17k/{md5}.jpg")
    table(folder / "Fitzpatrick17k-C.csv", C_LIST, rows)
