"""sbom.py SUITE PACKAGES LICENCES OUT: bills of material of a repository, OUT/SUITE.cdx.json (CycloneDX 1.5) and OUT/SUITE.spdx.json (SPDX 2.3).

Each package of the file PACKAGES is a component with its digest; dependencies are those that its own Depends names and the repository holds. Of
licences, the names stand that the package's own copyright file gives in machine-readable form, as it gives them; SPDX gets NOASSERTION, since
Debian's short names are not SPDX's. The same input gives the same bytes.
"""
import json
import os
import re
import sys
import time
import uuid


def paragraphs(path):
    """Of a Packages file: one dict for each."""
    for block in open(path, encoding="utf-8").read().split("\n\n"):
        fields, last = {}, None
        for line in block.splitlines():
            if line[:1] in " \t" and last:
                fields[last] += "\n" + line
            elif ":" in line:
                last, value = line.split(":", 1)
                fields[last] = value.strip()
        if "Package" in fields:
            yield fields


def licences(folder, name):
    """The short names of a DEP-5 copyright file, in their order there; none for other forms."""
    try:
        text = open(os.path.join(folder, name), encoding="utf-8", errors="replace").read()
    except OSError:
        return []
    if "copyright-format/1.0" not in text:
        return []
    return list(dict.fromkeys(m.strip() for m in re.findall(r"^License:[ \t]*(\S.*)$", text, re.M)))


def needs(package, names):
    wanted = (package.get("Depends", "") + "," + package.get("Pre-Depends", "")).split(",")
    found = {re.split(r"[ :(]", alternative.strip())[0] for w in wanted for alternative in w.split("|")}
    return sorted(found & names - {package["Package"]})


def purl(p, suite):
    return f"pkg:deb/debian/{p['Package']}@{p['Version'].replace(':', '%3A').replace('+', '%2B')}?arch={p['Architecture']}&distro=debian-{suite}"


def stamp():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))


def cyclonedx(packages, suite, folder, ident):
    names = {p["Package"] for p in packages}
    refs = {p["Package"]: purl(p, suite) for p in packages}
    components = []
    for p in packages:
        c = {"type": "library", "bom-ref": refs[p["Package"]], "name": p["Package"], "version": p["Version"], "purl": refs[p["Package"]],
             "supplier": {"name": p.get("Maintainer", "unknown")}, "hashes": [{"alg": "SHA-256", "content": p["SHA256"]}]}
        found = licences(folder, p["Package"])
        if found:
            c["licenses"] = [{"license": {"name": n}} for n in found]
        components.append(c)
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{ident}", "version": 1,
            "metadata": {"timestamp": stamp(), "component": {"type": "application", "bom-ref": "medium", "name": f"Keep medium, {suite}",
                                                             "version": next((p["Version"] for p in packages if p["Package"] == "keep"), "0")}},
            "components": components,
            "dependencies": [{"ref": "medium", "dependsOn": sorted(refs.values())}] +
                            [{"ref": refs[p["Package"]], "dependsOn": [refs[n] for n in needs(p, names)]} for p in packages]}


def spdx(packages, suite, ident):
    names = {p["Package"] for p in packages}
    name_of = {n: "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", n) for n in names}
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": name_of[p["Package"]]} for p in packages]
    relations += [{"spdxElementId": name_of[p["Package"]], "relationshipType": "DEPENDS_ON", "relatedSpdxElement": name_of[n]}
                  for p in packages for n in needs(p, names)]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"keep-medium-{suite}",
            "documentNamespace": f"urn:uuid:{ident}", "creationInfo": {"created": stamp(), "creators": ["Tool: packaging/sbom.py"]},
            "packages": [{"SPDXID": name_of[p["Package"]], "name": p["Package"], "versionInfo": p["Version"], "downloadLocation": "NOASSERTION",
                          "packageFileName": p["Filename"].removeprefix("./"), "filesAnalyzed": False, "licenseConcluded": "NOASSERTION",
                          "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
                          "supplier": "Organization: Debian" if p["Package"][:4] != "keep" else "Organization: The Keep developers",
                          "checksums": [{"algorithm": "SHA256", "checksumValue": p["SHA256"]}],
                          "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(p, suite)}]}
                         for p in packages], "relationships": relations}


def main(suite, path, folder, out):
    packages = sorted(paragraphs(path), key=lambda p: (p["Package"], p["Version"]))
    ident = uuid.uuid5(uuid.NAMESPACE_OID, "".join(p["SHA256"] for p in packages))
    for kind, doc in (("cdx", cyclonedx(packages, suite, folder, ident)), ("spdx", spdx(packages, suite, ident))):
        with open(os.path.join(out, f"{suite}.{kind}.json"), "w", encoding="utf-8") as f:
            json.dump(doc, f, indent=1, ensure_ascii=False)
            f.write("\n")
    return 0 if packages else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
