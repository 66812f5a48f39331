#!/bin/sh
# The log leaves in the words of other people's tools, OCSF, RFC 5424, FHIR and JSON lines: every line is of its format, and is its record.
. "$(dirname "$0")/lib.sh"
appliance
start_up
expect 0 keep run demo --raw --max-tokens 2 'said: "yes" \ [no]'
expect 0 keep trust rm pub --reason 'quote " backslash \ bracket ] ünïcode'
rm "$work/demo/card.md"
expect 1 keep import "$work/demo" --name less
expect 1 keep erase 1
expect 1 keep propose rotate
says '^keep: rotate: it takes two people'
expect 0 keep audit checkpoint --json
size=$(member "$out" size)
keep audit ls --to "$size" --json >"$work/records" || fail ls
for format in jsonl rfc5424 fhir ocsf; do
	expect 0 keep audit export --format $format --to "$size" --out "$work/$format"
	says "$size records"
	expect 0 $python "$KEEP_SOURCE/tests/tlog/exports.py" $format "$work/$format" "$work/records"
done
for class in '6003 API Activity: Create' '3004 Entity Management: Delete' '3003 Authorize' '3002 Authentication: Logoff' '1008 Event Log Activity: Start'; do
	says "$class"
done
grep -q '"ai_model":{"model_name":"demo"' "$work/ocsf" || fail "the request does not say which model"
grep '"event_code":"outcome"' "$work/ocsf" | grep -q '"ai_model":{"model_name":"demo".*"total_tokens":' || fail "the outcome does not"
grep '"event_code":"import-verdict"' "$work/ocsf" | grep -q '"status":"Failure"' || fail "the refused import is not a failure"
grep '"event_code":"denied"' "$work/ocsf" | grep '"operation":"erase"' | grep -q '"status_id":2,"status":"Failure"' || fail "what was denied is not a failure"
# the checks can fail
sed 's/"category_uid":6/"category_uid":3/' "$work/ocsf" >"$work/wrong"
expect 1 $python "$KEEP_SOURCE/tests/tlog/exports.py" ocsf "$work/wrong" "$work/records"
sed 's/\\]/]/' "$work/rfc5424" >"$work/wrong"
expect 1 $python "$KEEP_SOURCE/tests/tlog/exports.py" rfc5424 "$work/wrong" "$work/records"
sed 's/"code":"110100"/"code":"110099"/' "$work/fhir" >"$work/wrong"
expect 1 $python "$KEEP_SOURCE/tests/tlog/exports.py" fhir "$work/wrong" "$work/records"
sed 's/"requestor":true/"requestor":"true"/' "$work/fhir" >"$work/wrong"
expect 1 $python "$KEEP_SOURCE/tests/tlog/exports.py" fhir "$work/wrong" "$work/records"
grep '110107' "$work/fhir" | grep -q '"outcome":"4"' || fail "the refused import is not a failure of FHIR's"
# a part of it, chosen; and that is recorded
expect 0 keep audit export --format jsonl --event request,outcome --model demo
[ "$(wc -l <"$out")" = 2 ] || fail "not one request and one outcome"
expect 0 keep audit ls --event log-read --text 'export jsonl' --json
[ "$(wc -l <"$out")" = 2 ] || fail "the exports are not recorded"
grep -q '"filter":"event=request,outcome model=demo"' "$out" || fail "what was chosen is not recorded"
expect 2 keep audit export --format xml
expect 2 keep audit export
expect 3 keep audit export --format jsonl --out "$work/no/such/place"
# nothing half-written is left
expect 1 keep audit export --format ocsf --event no-such --out "$work/none"
ls "$work" | grep -q none && fail "a file was left"
# nor is a device taken for a file that may be replaced
ln -s /dev/full "$work/full"
expect 3 keep audit export --format jsonl --out "$work/full"
[ -c "$work/full" ] || fail "a device was replaced"
rm "$work/full"
expect 1 keep audit export --format jsonl --out "$work"
says "$work: Is a directory"
stop_up
