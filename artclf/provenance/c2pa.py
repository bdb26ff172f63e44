"""C2PA manifests, read and checked by c2pa-python (extra `provenance`)."""

import json
import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image

from artclf.errors import ArtclfError, reason_of
from artclf.provenance.statement import Statement, judge, short

WITHOUT_C2PA = 'C2PA was not looked at: type pip install "artclf[provenance]"'
_JUMBF = b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71"  # type of the box that holds C2PA manifests (ISO 19566-5)
_C2PA_TYPE = re.compile(r'"(?:\w+:)?digitalSourceType": "([^"]+)"', re.IGNORECASE)  # in JSON; inside a text, quotes are escaped
_SIGNED = {
    "Trusted": "signed by “{}”, who is on the trust list",
    "Valid": "signed by “{}”, who is on no trust list that was given",
}


def looks_at_c2pa(trust_list: str = "") -> bool:
    """Whether c2pa-python is installed. ArtclfError where it can't read this trust list."""
    try:
        return _c2pa(trust_list) is not None
    except Exception as error:
        raise ArtclfError(f"the trust list can't be used: {reason_of(error)}; give certificates as PEM") from error


@cache
def _c2pa(trust_list: str) -> tuple[Any, Any] | None:
    """The module c2pa, and settings with which it asks no network; None where it is not installed."""
    try:
        import c2pa  # noqa: PLC0415 (an extra)
    except ImportError:
        return None
    trust = {"trust": {"trust_anchors": trust_list}} if trust_list else {}
    return c2pa, c2pa.Context.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}, **trust})


def read_c2pa(kind: str, content: bytes, trust_list: str) -> tuple[list[Statement], str]:
    """The digital source types in a file's C2PA manifests, and a note where they could not be read."""
    if _JUMBF not in content:
        return [], ""
    if (library := _c2pa(trust_list)) is None:
        return [], f"it seems to hold a C2PA manifest; {WITHOUT_C2PA}"
    module, context = library
    try:
        with module.Reader(Image.MIME[kind], BytesIO(content), context=context) as reader:
            return list(_c2pa_statements(json.loads(reader.json()), reader.get_validation_state())), ""
    except Exception as error:  # noqa: BLE001 (whatever a damaged manifest raises)
        return [], f"its C2PA manifest can't be read: {short(str(error))}"


def _c2pa_statements(store: dict[str, Any], state: str) -> Iterator[Statement]:
    """Those of the active manifest, and of the files that it was made from, by the state of the whole."""
    labels = [store["active_manifest"]]
    for label in labels:
        manifest = store["manifests"][label]
        signature = manifest.get("signature_info", {})
        signer = short(str(signature.get("common_name") or signature.get("issuer")))
        signed = _SIGNED.get(state, "its signature does not hold for this file: anybody could have written it").format(signer)
        field = "C2PA digitalSourceType" if label == labels[0] else "C2PA digitalSourceType of an ingredient"
        for value in _C2PA_TYPE.findall(json.dumps(manifest.get("assertions"))):
            if declared := judge("digitalSourceType", value):
                yield Statement(declared, field, short(value), signed)
        used = [part.get("active_manifest") for part in manifest.get("ingredients", [])]
        labels += [one for one in dict.fromkeys(used) if one in store["manifests"] and one not in labels]
