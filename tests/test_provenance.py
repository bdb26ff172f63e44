"""What files say about their origin, and that a hostile one is only text."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from artclf.provenance import c2pa as manifests
from artclf.provenance.read import CAUTION, Provenance, read_provenance
from artclf.provenance.statement import AI, HUMAN, MOST_SHOWN, NOTHING, UNSIGNED
from tests.cli.conftest import artclf, refusal

STEPS = "a castle\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GRAPH = '{"3": {"inputs": {"seed": 1}, "class_type": "KSampler"}}'
KINDS = {
    "trainedAlgorithmicMedia": AI,
    "compositeWithTrainedAlgorithmicMedia": AI,
    "digitalCapture": HUMAN,
    "humanEdits": HUMAN,
}
KINDS |= {"screenCapture": NOTHING, "<b>made up</b>": NOTHING}
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF></x:xmpmeta>'
IPTC = 'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
MAKE, MODEL, SOFTWARE, COMMENT = 0x010F, 0x0110, 0x0131, 0x9286


def text_of(path: Path, key: str, value: str, zipped: bool = False) -> Path:
    info = PngInfo()
    info.add_itxt(key, value, zip=zipped)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def exif_of(path: Path, **tags: str | bytes) -> Path:
    exif = Image.Exif()
    for tag, value in tags.items():
        (exif.get_ifd(0x8769) if tag == "COMMENT" else exif)[globals()[tag]] = value
    Image.new("RGB", (8, 8)).save(path, exif=exif.tobytes())
    return path


def said(path: Path) -> tuple[str, list[str]]:
    found = read_provenance(path)
    assert all(statement.signed == UNSIGNED for statement in found.statements)
    return found.state, [statement.field for statement in found.statements]


TEXTS = [
    ("parameters", STEPS, AI),
    ("parameters", '{"sui_image_params": {"prompt": "a castle"}}', AI),
    ("prompt", GRAPH, AI),
    ("workflow", '{"last_node_id": 9, "nodes": []}', AI),
    ("invokeai_metadata", "{}", AI),
    ("Software", "NovelAI", AI),
    ("AIGC", '{"Label": "1"}', AI),
    ("prompt", "draw a horse, the teacher said", NOTHING),
    ("parameters", "size: 20", NOTHING),
    ("Title", "Stable Diffusion is theft", NOTHING),
    ("Software", "Adobe Photoshop 26.0", NOTHING),
    ("Software", "Editor de imagen", NOTHING),
    ("AIGC", '{"Label": "2"}', NOTHING),
]


@pytest.mark.parametrize(("key", "value", "state"), TEXTS)
def test_a_text_chunk_declares_what_a_generator_writes(tmp_path: Path, key: str, value: str, state: str) -> None:
    for zipped in (False, True):
        expected = [f"PNG {key}"] if state == AI else []
        assert said(text_of(tmp_path / "a.png", key, value, zipped)) == (state, expected)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png", "tiff", "avif"])
def test_exif_of_every_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.{suffix}"
    assert said(exif_of(file, MAKE="Canon", SOFTWARE="GIMP 3.0")) == (HUMAN, ["EXIF Make"])
    assert said(exif_of(file, MAKE="Canon", SOFTWARE="Midjourney v7")) == (AI, ["EXIF Make", "EXIF Software"])
    if suffix != "tiff":  # Pillow writes no such part of one
        for order in ("be", "le"):
            assert said(exif_of(file, COMMENT=b"UNICODE\0" + STEPS.encode(f"utf-16-{order}"))) == (AI, ["EXIF UserComment"])
    assert said(exif_of(file, MAKE='workflow:{"nodes": []}', MODEL=f"prompt:{GRAPH}")) == (AI, ["EXIF Make", "EXIF Model"])
    assert said(exif_of(file, SOFTWARE="Krita")) == (NOTHING, [])


@pytest.mark.parametrize(("kind", "state"), [*KINDS.items()])
def test_the_digital_source_type(tmp_path: Path, kind: str, state: str) -> None:
    value = (TYPES + kind).replace("<", "&lt;")
    forms = (
        f'<rdf:Description {IPTC} e:DigitalSourceType="{value}"/>',
        f"<rdf:Description {IPTC}><e:DigitalSourceType>{value}</e:DigitalSourceType></rdf:Description>",
        f'<e:DigitalSourceType {IPTC} rdf:resource="{value}"/>',
        f"<e:DigitalSourceType {IPTC}><rdf:Bag><rdf:li>{value}</rdf:li></rdf:Bag></e:DigitalSourceType>",
    )
    for suffix, form in zip(("jpg", "webp", "png", "avif"), forms, strict=True):
        file = tmp_path / f"a.{suffix}"
        Image.new("RGB", (8, 8)).save(file, xmp=XMP.format(form).encode())
        if suffix == "png":
            text_of(file, "XML:com.adobe.xmp", XMP.format(form))
        assert said(file) == (state, ["XMP DigitalSourceType"] if state != NOTHING else []), suffix


def test_the_mark_in_the_alpha_channel(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 64, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    pixels[:120, 0, 3] = pixels[:120, 0, 3] // 2 * 2 + np.unpackbits(np.frombuffer(b"stealth_pngcomp", np.uint8))
    Image.fromarray(pixels).save(tmp_path / "marked.png")
    assert said(tmp_path / "plain.png") == (NOTHING, [])
    assert said(tmp_path / "marked.png") == (AI, ["PNG alpha"])


def test_hostile_files_are_bounded_and_escaped(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "AAAA">]>' + XMP.format(f'<x {IPTC} e:DigitalSourceType="{TYPES}print"/>')
    assert said(text_of(tmp_path / "a.png", "XML:com.adobe.xmp", bomb)) == (NOTHING, [])
    assert said(text_of(tmp_path / "a.png", "XML:com.adobe.xmp", "<Credit>" * 100_000)) == (NOTHING, [])
    deep = "<Credit>" * 100_000 + "</Credit>" * 100_000
    assert said(text_of(tmp_path / "a.png", "XML:com.adobe.xmp", deep, zipped=True)) == (NOTHING, [])
    assert said(text_of(tmp_path / "a.png", "parameters", "\0" * 2**24, zipped=True)) == (NOTHING, [])
    info = PngInfo()
    for _ in range(50):
        info.add_itxt("XML:com.adobe.xmp", deep, zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert read_provenance(tmp_path / "a.png").note.endswith("its texts have more than 4,194,304 bytes")
    text_of(tmp_path / "a.png", "Software", "NovelAI \x1b[2J\u202e\n<script>" + "x" * 10_000)
    (statement,) = read_provenance(tmp_path / "a.png").statements
    assert statement.value.startswith("NovelAI \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER} <script>")
    assert len(statement.value) == MOST_SHOWN + 1
    rng = np.random.default_rng(0)
    exif_of(tmp_path / "a.jpg", MAKE="Canon", COMMENT=b"ASCII\0\0\0" + STEPS.encode())
    exif_of(tmp_path / "a.webp", MAKE="Canon")
    for file in (tmp_path / "a.png", tmp_path / "a.jpg", tmp_path / "a.webp"):
        whole = file.read_bytes()
        for number in range(100):  # a bit wrong here and there, or the end missing: never an error
            damaged = bytearray(whole if number % 2 else whole[: rng.integers(64, len(whole))])
            damaged[rng.integers(32, min(400, len(damaged)))] ^= 1 << rng.integers(8)
            file.write_bytes(damaged)
            assert isinstance(read_provenance(file), Provenance)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "_c2pa", lambda trust_list: None)
    (tmp_path / "in").mkdir()
    text_of(tmp_path / "in" / "ai.png", "parameters", STEPS)
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "plain.png")
    text_of(tmp_path / "in" / "signed.png", "x", manifests._JUMBF.decode("latin-1"))
    (tmp_path / "in" / "text.jpg").write_text("no image")
    done = artclf("provenance", tmp_path / "in", "--to", tmp_path / "out.csv", code=1)
    assert "text.jpg: not an image artclf can read" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["declares", "image"]
    assert [line.split() for line in lines[1:4:2]] == [["AI", f"{tmp_path}/in/ai.png"], ["nothing", f"{tmp_path}/in/plain.png"]]
    assert lines[2].strip().startswith("PNG parameters: a castle Negative prompt")
    assert lines[-2:] == [CAUTION, manifests.WITHOUT_C2PA]
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["provenance"] for row in rows] == [AI, NOTHING, NOTHING, ""]
    assert [bool(row["reason"]) for row in rows] == [False, False, False, True]
    done = artclf("provenance", "x" * 500, tmp_path / "in" / "ai.png", "--json", code=1)  # a name that no file can have
    assert "file name too long" in done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["statements"][0]["field"] == "PNG parameters"
    assert "C2PA was not looked at" in refusal("provenance", tmp_path, "--trust-list", tmp_path / "out.csv")


def certificate(key: Any, issuer: Any = None, issuer_key: Any = None) -> Any:
    """A certificate that C2PA takes for signing, or, without an issuer, one that issues such."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now, names = datetime.now(UTC), {NameOID.ORGANIZATION_NAME: "tests", NameOID.COMMON_NAME: "camera" if issuer else "root"}
    subject = x509.Name([x509.NameAttribute(*name) for name in names.items()])
    number, times = x509.random_serial_number(), (now - timedelta(1), now + timedelta(9))
    made = x509.CertificateBuilder(issuer or subject, subject, key.public_key(), number, *times)
    made = made.add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
    signed_by = (issuer_key or key).public_key()
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signed_by), critical=False)
    usage = [issuer is not None, False, False, False, False, issuer is None, False, False, False]
    made = made.add_extension(x509.KeyUsage(*usage), critical=True)
    made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(issuer_key or key, hashes.SHA256())


def test_a_c2pa_manifest_and_its_signature(tmp_path: Path) -> None:
    c2pa = pytest.importorskip("c2pa")
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    root, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = certificate(root)
    chain = certificate(key, authority.subject, root).public_bytes(Encoding.PEM)
    trusted = authority.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", chain + trusted, private, None))
    action = {"action": "c2pa.created", "digitalSourceType": f"{TYPES}digitalCapture"}
    assertion = {"label": "c2pa.actions", "data": {"actions": [action]}}
    plain, signed = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(plain, "JPEG")
    plain.seek(0)
    builder = c2pa.Builder({"claim_generator_info": [{"name": "tests"}], "assertions": [assertion]})
    builder.sign(signer, "image/jpeg", plain, signed)
    (file := tmp_path / "a.jpg").write_bytes(signed.getvalue())
    (tmp_path / "trust.pem").write_bytes(trusted)
    for trust_list, state in ((b"", "is on no trust list"), (trusted, "is on the trust list")):
        found = read_provenance(file, trust_list=trust_list.decode())
        assert (found.state, found.statements[0].field) == (HUMAN, "C2PA digitalSourceType")
        assert f"signed by “camera”, who {state}" in found.statements[0].signed
    assert "is on the trust list" in artclf("provenance", file, "--trust-list", tmp_path / "trust.pem").stdout
    (tmp_path / "trust.pem").write_bytes(trusted.replace(b"M", b"?"))
    assert "the trust list can't be used" in refusal("provenance", file, "--trust-list", tmp_path / "trust.pem")
    altered = bytearray(signed.getvalue())
    altered[-40] ^= 1
    file.write_bytes(altered)
    assert read_provenance(file).statements[0].signed.startswith("its signature does not hold for this file")
