#!/bin/sh
# medium.sh SOURCE: the medium's install touches nothing of a medium that was changed, nor of one for another system; what it gives apt is the
# medium alone; bills of material hold every package, name what each needs and are the same each time; the printed page has no gap;
# and packed as parts or as an image it is the same medium.
set -u
source=$(cd "$1" && pwd)
bad=0
fault() { echo "$1" && bad=$((bad + 1)); }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/a medium/bookworm" "$work/licences"
m="$work/a medium"
cp "$source/packaging/medium/install" "$m/install"
echo deb >"$m/bookworm/keep_1.deb" && echo key >"$m/keep-medium.gpg"
(cd "$m" && find . -type f ! -name SHA256SUMS | sed 's|^\./||' | xargs sha256sum >SHA256SUMS)
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1" && chmod +x "$work/bin/$1"; }
stand_in id 'echo 0'
stand_in sed "case \$* in *VERSION_CODENAME*) echo \${SUITE-bookworm} ;; *) exec /bin/sed \"\$@\" ;; esac"
stand_in apt-get "printf '%s\n' \"\$@\" >>'$work/apt'; for a; do case \$a in Dir::Etc::SourceList=*) cat \${a#*=} >>'$work/sources' ;; esac; done"
installs() { PATH="$work/bin:$PATH" sh "$m/install" "$@" >"$work/out" 2>&1; }

SUITE=sid installs && fault "installed on another system"
grep -q 'holds nothing for sid' "$work/out" || fault "another system: $(cat "$work/out")"
installs && fault "no keep-update is here, and it ended well" # what follows apt cannot be had here
grep -q "^deb \[signed-by=.*keep-medium.gpg\] file:.*/bookworm ./\$" "$work/sources" || fault "apt was given $(cat "$work/sources")"
grep -q '^Dir::Etc::SourceParts=/dev/null$' "$work/apt" || fault "the machine's own sources were asked too"
grep -q 'allow-unauthenticated\|trusted=yes' "$work/apt" "$work/sources" && fault "a signature was not asked for"
rm "$work/apt" && echo x >>"$m/bookworm/keep_1.deb"
installs && fault "a changed medium was installed"
grep -q 'damaged or was changed' "$work/out" && [ ! -e "$work/apt" ] || fault "a changed medium reached apt"
stand_in id 'echo 1000'
installs && fault "without root"

printf 'Package: keep\nVersion: 1:0.1+b1\nArchitecture: amd64\nFilename: ./keep.deb\nSHA256: %064d\nDepends: libx (>= 1) | liby, nowhere\n\nPackage: libx\nVersion: 2\nArchitecture: amd64\nFilename: ./libx.deb\nSHA256: %064d\n\n' 1 2 >"$work/Packages"
printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: MIT\n\nFiles: x\nLicense: GPL-2+ or BSD-3-clause\n text\n' >"$work/licences/libx"
for n in 1 2; do
	mkdir "$work/$n" && SOURCE_DATE_EPOCH=1700000000 python3 "$source/packaging/sbom.py" bookworm "$work/Packages" "$work/licences" "$work/$n" || fault "no bill of material"
done
diff -r "$work/1" "$work/2" || fault "the bills of material differ"
python3 - "$work/1" <<'PY' || fault "the bills of material"
import json, sys
c = json.load(open(sys.argv[1] + "/bookworm.cdx.json")); s = json.load(open(sys.argv[1] + "/bookworm.spdx.json"))
assert [p["name"] for p in c["components"]] == ["keep", "libx"] == [p["name"] for p in s["packages"]]
assert c["components"][0]["purl"] == "pkg:deb/debian/keep@1%3A0.1%2Bb1?arch=amd64&distro=debian-bookworm"
assert [l["license"]["name"] for l in c["components"][1]["licenses"]] == ["MIT", "GPL-2+ or BSD-3-clause"] and "licenses" not in c["components"][0]
assert c["dependencies"][1]["dependsOn"] == [c["components"][1]["purl"]] and c["components"][0]["hashes"][0]["content"].endswith("1")
assert {"spdxElementId": "SPDXRef-keep", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-libx"} in s["relationships"]
PY
# every gap of the page is filled by bundle
for gap in $(grep -o '@[A-Z]*@' "$source/packaging/medium/README.txt" | sort -u); do
	grep -qF "s/$gap/" "$source/packaging/bundle" || fault "nothing fills $gap"
done
grep -q 'bookworm\|trixie' "$source/packaging/medium/README.txt" && fault "the page names a suite that a medium may not hold"
# as parts, and as an image: what comes out is what went in, and the same bytes each time
echo page >"$m/README.txt" && head -c 3000000 /dev/urandom >"$m/bookworm/big_1.deb" && touch -d @1700000000 "$m/README.txt"
pack="$source/packaging/medium/pack"
"$pack" "$m" --split 1 && [ "$(ls "$m.parts" | grep -c 'tar\.')" = 3 ] || fault "not three parts: $(ls "$m.parts")"
(cd "$m.parts" && sha256sum --quiet --check SHA256SUMS) || fault "the parts are not those of their list"
mkdir "$work/joined" && cat "$m.parts"/keep-medium.tar.* | tar -C "$work/joined" -xf - && diff -r "$m" "$work/joined/a medium" || fault "the parts do not make the medium"
"$pack" "$m" --split 1 2>/dev/null && fault "parts were written over others"
"$pack" "$m" --split no 2>/dev/null && fault "parts of no size"
"$pack" "$work/bin" --split 1 2>/dev/null && fault "something that is no medium was split"
# who makes an image has xorriso; parts need nothing
if command -v xorriso >/dev/null; then
	"$pack" "$m" --iso "$work/1.iso" && sleep 1 && "$pack" "$m" --iso "$work/2.iso" && cmp "$work/1.iso" "$work/2.iso" || fault "two images of one medium differ"
	xorriso -osirrox on -indev "$work/1.iso" -extract / "$work/read" >/dev/null 2>&1 && diff -r "$m" "$work/read" || fault "the image does not hold the medium"
	chmod -R u+w "$work/read"
else
	echo "no image: xorriso is not installed"
fi
echo "$bad faults"
[ $bad = 0 ]
