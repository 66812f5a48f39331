#!/usr/bin/env python3
"""exports.py ocsf|rfc5424|fhir|jsonl FILE RECORDS: is every line of an export what its format says, and is it the record that it was made from?

RECORDS are the log's own lines. OCSF is held to the facts of its schema 1.7: classes, their categories and activities, what each
requires, types of values. FHIR to the elements, cardinalities and codes of R4's AuditEvent. RFC 5424 to its grammar. Prints how many lines of which class, and ends with 1 at the first that is wrong."""
import collections, json, re, sys

# class: name, activities, required members beside the base event's; one of these must be there
CLASSES = {
    1008: ("Event Log Activity", range(1, 11), [], ["log_file", "log_name", "log_provider", "log_type", "log_type_id"]),
    3001: ("Account Change", range(1, 12), ["user"], []),
    3002: ("Authentication", range(1, 6), ["user"], ["service", "dst_endpoint"]),
    3003: ("Authorize Session", range(1, 4), ["user"], ["privileges", "groups", "group"]),
    3004: ("Entity Management", range(1, 5), ["entity"], []),
    3005: ("User Access Management", range(1, 5), ["user"], []),
    6003: ("API Activity", range(1, 5), ["actor", "api", "src_endpoint"], []),
}
BASE = {"activity_id": int, "category_uid": int, "class_uid": int, "metadata": dict, "severity_id": int, "time": int, "type_uid": int}
OBJECTS = {  # object: required, one of
    "metadata": (["product", "version"], []), "product": (["vendor_name"], ["name", "uid"]), "api": (["operation"], []),
    "ai_model": (["model_name", "ai_provider"], []), "message_context": ([], ["application", "service"]),
    "actor": ([], ["process", "user", "session", "app_name"]), "user": ([], ["account", "name", "uid"]),
    "process": ([], ["pid", "uid", "cpid"]), "entity": ([], ["name", "uid"]), "service": ([], ["name", "uid"]),
    "src_endpoint": ([], ["ip", "uid", "name", "hostname"]), "session": ([], ["uid"]),
}


class Bad(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Bad(why)


def ocsf_object(name, o, path):
    if name in OBJECTS and isinstance(o, dict):
        required, some = OBJECTS[name]
        for key in required:
            need(key in o, f"{path}: no {key}")
        need(not some or any(key in o for key in some), f"{path}: none of {', '.join(some)}")
    if isinstance(o, dict):
        for key, v in o.items():
            need(v is not None and v != {} and v != [], f"{path}.{key}: empty")
            ocsf_object(key, v, f"{path}.{key}")
    if isinstance(o, list):
        for v in o:
            ocsf_object(name, v, path)


def ocsf(line, record):
    o = json.loads(line)
    for key, kind in BASE.items():
        need(type(o.get(key)) is kind, f"{key}: not {kind.__name__}")
    need(o["class_uid"] in CLASSES, f"class {o['class_uid']}: unknown")
    name, activities, required, some = CLASSES[o["class_uid"]]
    need(o["class_name"] == name and o["category_uid"] == o["class_uid"] // 1000, "class: name or category is another's")
    need(o["activity_id"] in (0, 99) or o["activity_id"] in activities, f"activity {o['activity_id']}: not of {name}")
    need(o["activity_id"] != 99 or o.get("activity_name"), "an other activity has no name")
    need(o["type_uid"] == o["class_uid"] * 100 + o["activity_id"], "type_uid does not fit")
    need(o["severity_id"] in (0, 1, 2, 3, 4, 5, 6, 99), "severity_id")
    need(o.get("status_id", 0) in (0, 1, 2, 99), "status_id")
    need(o["metadata"]["version"] == "1.7.0", "metadata.version")
    for key in required:
        need(key in o, f"{name}: no {key}")
    need(not some or any(key in o for key in some), f"{name}: none of {', '.join(some)}")
    ocsf_object("", o, name)
    need(("ai_operation" in o["metadata"].get("profiles", [])) == ("message_context" in o), "profile and members do not go together")
    r = json.loads(record)
    need(o["raw_data"] == record and o["metadata"]["sequence"] == r["index"], "it is another record")
    need(o["time"] == r["time_ns"] // 10 ** 6, "time")
    for ours, theirs in (("n_prompt", "prompt_tokens"), ("n_generated", "completion_tokens")):
        need(ours not in r or o["message_context"][theirs] == r[ours], theirs)
    return f"{o['class_uid']} {name}: {o['activity_name']}"


HEAD = re.compile(r"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) ")
PARAM = re.compile(r' ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"')


def flat(o, prefix=""):
    for key, v in o.items():
        name = f"{prefix}{key}"[:32]
        if isinstance(v, dict):
            yield from flat(v, name + ".")
        else:
            yield name, v if isinstance(v, str) else json.dumps(v, separators=(",", ":"))


def rfc5424(line, record):
    m = HEAD.match(line)
    need(m, "the header is malformed")
    need(int(m[1]) // 8 == 13 and m[4] == "keepd" and m[5] == "-", "facility or application")
    need(line[m.end():].startswith("[keep@32473 "), "no structured data")
    at, params = m.end() + len("[keep@32473"), {}
    while p := PARAM.match(line, at):
        params[p[1]] = re.sub(r'\\(["\\\]])', r"\1", p[2])
        at = p.end()
    need(line[at:at + 3] == "] \ufeff", "the structured data does not end as it should")
    r = json.loads(record)
    need(m[6] == r["event"], "MSGID is not the event")
    want = {k: v for k, v in flat(r) if k not in ("event", "v")}
    need(params == want, f"its parameters are not the record's members: {set(params.items()) ^ set(want.items())}")
    return f"severity {int(m[1]) % 8}"


TERMS, DICOM = "http://terminology.hl7.org/CodeSystem/", "http://dicom.nema.org/resources/ontology/DCM"
CODES = {
    DICOM: {"type": range(110100, 110115), "subtype": range(110120, 110143)},
    TERMS + "security-source-type": range(1, 10), TERMS + "audit-entity-type": range(1, 5), TERMS + "object-role": range(1, 25),
}
FHIR = {  # element: its members, and whether there must be one
    "AuditEvent": {"resourceType": 1, "type": 1, "subtype": 0, "action": 0, "recorded": 1, "outcome": 0, "outcomeDesc": 0, "agent": 1, "source": 1, "entity": 0},
    "agent": {"role": 0, "who": 0, "altId": 0, "name": 0, "requestor": 1}, "source": {"site": 0, "observer": 1, "type": 0},
    "entity": {"what": 0, "type": 0, "role": 0, "name": 0, "detail": 0}, "detail": {"type": 1, "valueString": 1},
}
LISTS = {"subtype", "agent", "entity", "detail", "AuditEvent.agent.role", "AuditEvent.source.type"}


def fhir_coding(name, o, path):
    need(set(o) == {"system", "code", "display"} and all(o.values()), f"{path}: not a coding")
    codes = CODES.get(o["system"])
    codes = codes.get(name) if isinstance(codes, dict) else codes
    need(o["system"] == "urn:keep:event" and name == "subtype" or codes and int(o["code"]) in codes, f"{path}: no code of that system")


def fhir_element(name, o, path):
    if name in FHIR:
        need(isinstance(o, dict) and set(o) <= set(FHIR[name]), f"{path}: {set(o) - set(FHIR[name])}")
        need(all(key in o for key, must in FHIR[name].items() if must), f"{path}: a member is missing")
        for key, v in o.items():
            at = f"{path}.{key}"
            need(isinstance(v, list) == (key in LISTS or at in LISTS), f"{at}: a list where none should be, or none")
            for one in v if isinstance(v, list) else [v]:
                need(one not in ("", {}, [], None), f"{at}: empty")
                fhir_element(key, one, at)
    elif isinstance(o, dict) and "code" in o:
        fhir_coding(name, o, path)
    elif name in ("who", "observer", "what"):
        need(set(o) == {"identifier", "display"} and set(o["identifier"]) == {"system", "value"}, f"{path}: not a reference")


def fhir(line, record):
    o, r = json.loads(line), json.loads(record)
    need(o["resourceType"] == "AuditEvent", "not an AuditEvent")
    fhir_element("AuditEvent", o, "AuditEvent")
    need(o["action"] in "CRUDE" and o["outcome"] in ("0", "4", "8", "12"), "action or outcome")
    need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", o["recorded"]), "recorded is no instant")
    need(type(o["agent"][0]["requestor"]) is bool, "requestor is not yes or no")
    need(o["subtype"][-1]["code"] == r["event"], "the last subtype is not the event")
    need(o["entity"][0]["detail"][0] == {"type": "record", "valueString": record}, "it is another record")
    need(o["entity"][0]["what"]["identifier"]["value"].endswith(f"/{r['index']}"), "its index")
    return f"{o['type']['code']} {o['type']['display']}: {o['action']}"


def jsonl(line, record):
    need(line == record, "not the record")
    return "record"


def main(kind, path, records):
    check = {"ocsf": ocsf, "rfc5424": rfc5424, "fhir": fhir, "jsonl": jsonl}[kind]
    lines, want = ([l for l in open(p, encoding="utf-8", newline="\n").read().split("\n") if l] for p in (path, records))
    need(len(lines) == len(want), f"{len(lines)} lines of {len(want)} records")
    seen = collections.Counter()
    for n, (line, record) in enumerate(zip(lines, want), 1):
        try:
            seen[check(line, record)] += 1
        except (Bad, KeyError, ValueError) as e:
            raise Bad(f"line {n}, {json.loads(record)['event']}: {e!r}")
    for what, count in sorted(seen.items()):
        print(f"{count:6} {what}")


try:
    main(*sys.argv[1:])
except Bad as e:
    print(e)
    sys.exit(1)
