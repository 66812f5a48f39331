"""client.py SOCKET STORY: a client of the gateway, of Python's standard library alone. Each story ends with 0 or says what was wrong."""
import http.client, json, re, resource, socket, sys, time


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("keep", timeout=120)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(self.path)


PATH = sys.argv[1]
CHAT = {"model": "demo", "messages": [{"role": "user", "content": "What is Keep?"}], "temperature": 0, "max_tokens": 24}


def ask(method, path, body=None, conn=None, **headers):
    c = conn or Unix(PATH)
    c.request(method, path, None if body is None else body if isinstance(body, (bytes, str)) else json.dumps(body), headers)
    r = c.getresponse()
    return r, r.read()


def want(ok, what, *more):
    if not ok:
        sys.exit("client.py: %s: %s" % (what, " ".join(str(m) for m in more)))


def events(raw):
    lines = [l for l in raw.decode().split("\n") if l and not l.startswith(":")]
    want(all(l.startswith("data: ") for l in lines) and lines[-1] == "data: [DONE]", "a stream is lines of data", lines)
    return [json.loads(l[6:]) for l in lines[:-1]]


def error(r, raw, status, code):
    e = json.loads(raw)["error"]
    want(r.status == status and e["code"] == code and e["message"] and set(e) == {"message", "type", "param", "code"},
         "refused with %d %s" % (status, code), r.status, raw)
    want(re.fullmatch("req-[0-9a-f]{16}|keep-[0-9]+", r.headers["x-request-id"]), "a name for it", r.headers)
    return e


def story_answers():
    c = Unix(PATH)
    r, raw = ask("GET", "/health", conn=c)
    want(r.status == 200 and json.loads(raw)["status"] == "ok", "health", raw)
    r, raw = ask("HEAD", "/health", conn=c)
    want(r.status == 200 and int(r.headers["content-length"]) > 0 and not raw, "a head", raw)
    r, raw = ask("GET", "/openapi.json", conn=c)
    want(len(json.loads(raw)["paths"]) == 8, "what it speaks", raw)
    r, raw = ask("GET", "/docs", conn=c)
    want(r.headers["content-security-policy"].startswith("default-src 'none'") and b"<h1>" in raw, "a page", r.headers)
    r, raw = ask("GET", "/v1/models", conn=c)
    models = json.loads(raw)
    want([m["id"] for m in models["data"]] == ["demo"] and models["object"] == "list", "models", raw)
    r, raw = ask("POST", "/v1/chat/completions", CHAT, conn=c)  # the same connection all along
    whole = json.loads(raw)
    text = whole["choices"][0]["message"]["content"]
    want(r.status == 200 and text and whole["model"] == "demo", "an answer", raw)
    want(whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + whole["usage"]["completion_tokens"], "usage", raw)
    want(r.headers["x-request-id"] == r.headers["request-id"] == "keep-%d" % whole["keep"]["index"], "a name for it", r.headers)
    want(r.headers["keep-log-index"] == str(whole["keep"]["index"]) and whole["id"] == "chatcmpl-%d" % whole["keep"]["index"], "index", raw)
    want(r.headers["keep-model-digest"] == whole["keep"]["model_digest"] == models["data"][0]["digest"], "model digest", raw)
    want(r.headers["keep-request-digest"] == whole["keep"]["request_digest"], "request digest", raw)
    want(r.headers["keep-text-digest"] == whole["keep"]["text_digest"], "text digest", raw)
    want("access-control-allow-origin" not in r.headers, "no other origin may read", r.headers)
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, stream=True, stream_options={"include_usage": True}), conn=c)
    parts = events(raw)
    streamed = "".join(p["choices"][0]["delta"].get("content") or "" for p in parts if p["choices"])
    want(r.headers["content-type"].startswith("text/event-stream") and streamed == text, "the same, streamed", streamed, text)
    want(parts[0]["choices"][0]["delta"]["role"] == "assistant", "first chunk", parts[0])
    want(parts[-1]["choices"] == [] and parts[-1]["usage"] == dict(whole["usage"], prompt_tokens_details=parts[-1]["usage"]["prompt_tokens_details"]),
         "usage of the stream", parts[-1])
    want(parts[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"], "finish", parts[-2])
    want(parts[-2]["keep"]["text_digest"] == whole["keep"]["text_digest"], "digests of both", parts[-2])
    r, raw = ask("POST", "/v1/completions", {"model": "demo", "prompt": "Keep is", "temperature": 0, "max_tokens": 8}, conn=c)
    want(json.loads(raw)["choices"][0]["text"] and json.loads(raw)["object"] == "text_completion", "a completion", raw)
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["n"]}
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, temperature=1, seed=3, max_tokens=40,
                 response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}), conn=c)
    want(json.loads(json.loads(raw)["choices"][0]["message"]["content"])["n"] in range(1, 10), "held to a schema", raw)


def story_messages():
    body = {"model": "demo", "max_tokens": 24, "temperature": 0, "messages": CHAT["messages"]}
    r, raw = ask("POST", "/v1/messages", body)
    whole = json.loads(raw)
    text = whole["content"][0]["text"]
    same = json.loads(ask("POST", "/v1/chat/completions", CHAT)[1])
    want(r.status == 200 and text == same["choices"][0]["message"]["content"], "the same answer in another form", raw)
    want(whole["keep"]["request_digest"] == r.headers["keep-request-digest"], "evidence", raw)
    r, raw = ask("POST", "/v1/messages", dict(body, stream=True))
    streamed, kinds = "", []
    for block in raw.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        event = json.loads(data[6:])
        kinds.append(event["type"])
        want(name == "event: " + event["type"], "an event is named twice", block)
        streamed += event.get("delta", {}).get("text", "") if event["type"] == "content_block_delta" else ""
    want(streamed == text and kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], "streamed", kinds)
    stop = " " + text.split(" ")[2]
    cut = json.loads(ask("POST", "/v1/messages", dict(body, stop_sequences=["\u0101", stop]))[1])
    want(cut["content"][0]["text"] == text[:text.index(stop)] and [cut["stop_reason"], cut["stop_sequence"]] == ["stop_sequence", stop], "what ended it", cut)
    want(whole["stop_sequence"] is None, "and what did not", whole)
    r, raw = ask("POST", "/v1/messages/count_tokens", {"model": "demo", "messages": CHAT["messages"]})
    want(json.loads(raw)["input_tokens"] == whole["usage"]["input_tokens"] + whole["usage"]["cache_read_input_tokens"], "counted as it is read", raw)
    r, raw = ask("POST", "/tokenize", {"model": "demo", "content": "What is Keep?"})
    plain = json.loads(raw)["tokens"]
    r, raw = ask("POST", "/tokenize", {"model": "demo", "content": "What is Keep?", "add_special": True})
    want(0 < len(plain) <= len(json.loads(raw)["tokens"]), "ids", raw)
    r, raw = ask("POST", "/v1/messages", dict(body, max_tokens=None))
    want(json.loads(raw)["type"] == "error" and r.status == 400, "errors in that form", raw)


def story_waiting():
    """While the runtime stands still: who waits for it, and who waits for his turn, hears a comment after ten seconds, in every form; then each is
    answered, and knows his record. argv[3]: the runtime."""
    import os, signal
    pid = int(sys.argv[3])
    forms = (("/v1/chat/completions", dict(CHAT), rb"data: \[DONE\]"), ("/v1/completions", {"model": "demo", "prompt": "Keep is", "max_tokens": 8}, rb"data: \[DONE\]"),
             ("/v1/messages", {"model": "demo", "max_tokens": 8, "messages": CHAT["messages"]}, b"event: message_stop"),
             ("/v1/responses", {"model": "demo", "max_output_tokens": 8, "input": "What is Keep?"}, rb"event: response\.(completed|incomplete)"))
    ask("POST", "/v1/chat/completions", CHAT)  # a seat is there
    os.kill(pid, signal.SIGSTOP)
    try:
        all = []
        for i in range(36):  # 32 are shown to keepd at once; the last four wait here
            c, (path, body, end) = Unix(PATH), forms[i % 4]
            c.request("POST", path, json.dumps(dict(body, stream=True)), {"Connection": "close"})
            all.append((c, end, time.monotonic()))
            time.sleep(0.01)
        heard = []
        for c, end, since in all:
            r = c.getresponse()
            heard.append((r, r.fp.readline() + r.fp.readline()))
            want(r.status == 200 and 8 < time.monotonic() - since < 60, "a comment after ten seconds", r.status, time.monotonic() - since)
    finally:
        os.kill(pid, signal.SIGCONT)
    seen = set()
    for i, ((c, end, _), (r, first)) in enumerate(zip(all, heard)):
        rest = first + r.fp.read()
        late = r.headers["keep-log-index"] is None
        want(late == (i >= 32), "whose record stands says so at once", i, r.headers)
        if late:
            want(first.split(b"\r\n")[1].startswith(b": "), "a comment is the first of it", first)
            told = re.findall(rb"^: (?:keep-log-index: (\d+)|x-request-id: keep-\d+|keep-(?:model|request)-digest: [0-9a-f]+)$", rest, re.M)
            want(len(told) == 4, "what headers could not say stands in comments", rest[:600])
        index = b"".join(told) if late else r.headers["keep-log-index"].encode()
        want(re.search(end, rest) and b'"keep":{"index":' + index in rest, "a whole answer", rest[-600:])
        seen.add(index)
    want(len(seen) == 36, "a record for each", seen)


def story_refused():
    r, raw = ask("GET", "/v1/nothing")
    error(r, raw, 404, "path")
    first = r.headers["x-request-id"]
    r, raw = ask("GET", "/v1/nothing")
    want(first.startswith("req-") and r.headers["x-request-id"] != first, "each has a name of its own", first)
    r, raw = ask("GET", "/v1/chat/completions")
    error(r, raw, 405, "method")
    want(r.headers["allow"] == "POST", "and told how", r.headers)
    r, raw = ask("DELETE", "/v1/models")
    error(r, raw, 405, "method")
    want(r.headers["allow"] == "GET, HEAD", "and told how", r.headers)
    r, raw = ask("POST", "/v1/chat/completions", "{")
    error(r, raw, 400, "invalid_json")
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, temperature="hot"))
    want(error(r, raw, 400, "invalid_value")["param"] == "temperature", "the field is named", raw)
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, model="nobody"))
    want("nobody" in error(r, raw, 404, "model_not_found")["message"], "the model is named", raw)
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, messages=[{"role": "user", "content": "x " * 20000}]))
    want(re.search("[0-9]+", error(r, raw, 400, "refused")["message"]), "too long, in numbers", raw)
    want(r.headers["x-request-id"].startswith("keep-"), "what stands in the log is named by its record", r.headers)
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, stream=True, messages=[{"role": "user", "content": "x " * 20000}]))
    error(r, raw, 400, "refused")  # a stream that never began is no stream
    r, raw = ask("POST", "/v1/chat/completions", "x", **{"Transfer-Encoding": "chunked"})
    error(r, raw, 501, "malformed_request")
    deep = b'{"model":"demo","x":' + b"[" * 100000 + b"]" * 100000 + b"}"
    r, raw = ask("POST", "/v1/chat/completions", deep)
    error(r, raw, 400, "invalid_json")


def story_choices():
    body = dict(CHAT, temperature=4, seed=5, n=3, logprobs=True, top_logprobs=4, max_tokens=12)
    r, raw = ask("POST", "/v1/chat/completions", body)
    whole = json.loads(raw)
    texts = [c["message"]["content"] for c in whole["choices"]]
    want(r.status == 200 and [c["index"] for c in whole["choices"]] == [0, 1, 2] and len(set(texts)) > 1, "three answers", texts)
    want(len({c["keep"]["index"] for c in whole["choices"]}) == 3, "each with a record of its own", raw)
    for c in whole["choices"]:
        said = c["logprobs"]["content"]
        spelled = b"".join(bytes(t["bytes"]) for t in said).decode("utf-8", "replace")
        want(spelled.startswith(c["message"]["content"]) or c["message"]["content"].startswith(spelled), "tokens spell the text", spelled)
        for t in said:
            tops = [o["logprob"] for o in t["top_logprobs"]]
            want(len(tops) == 4 and tops == sorted(tops, reverse=True) and t["logprob"] <= tops[0] <= 0, "likeliest first", t)
    want(whole["usage"]["completion_tokens"] >= sum(len(c["logprobs"]["content"]) for c in whole["choices"]), "all are counted", whole["usage"])
    again = json.loads(ask("POST", "/v1/chat/completions", body)[1])
    want([c["logprobs"] for c in again["choices"]] == [c["logprobs"] for c in whole["choices"]], "the same bits again")
    want(again["usage"]["prompt_tokens_details"]["cached_tokens"] >= 0, "what was cached", again)
    r, raw = ask("POST", "/v1/chat/completions", dict(body, stream=True))
    got = {i: [] for i in range(3)}
    for p in events(raw):
        for c in p["choices"]:
            got[c["index"]] += (c.get("logprobs") or {}).get("content") or []
    want([got[i] for i in range(3)] == [c["logprobs"]["content"] for c in whole["choices"]], "the same, streamed")
    one = dict(CHAT, temperature=4, seed=5, max_tokens=12)
    first = json.loads(ask("POST", "/v1/chat/completions", one)[1])
    want(first["choices"][0]["message"]["content"] == texts[0], "the first of several is what one alone would be", first)
    r, raw = ask("POST", "/v1/completions", {"model": "demo", "prompt": "Keep is", "temperature": 0, "max_tokens": 8, "logprobs": 2})
    l = json.loads(raw)["choices"][0]["logprobs"]
    want(len(l["tokens"]) == len(l["token_logprobs"]) == len(l["top_logprobs"]) == len(l["text_offset"]) > 0, "four lists", raw)


def story_quota():
    r, raw = ask("GET", "/v1/models")
    want([m["id"] for m in json.loads(raw)["data"]] == ["demo"], "the models that it may have", raw)
    r, raw = ask("POST", "/v1/chat/completions", CHAT | {"max_tokens": 30})
    e = error(r, raw, 429, "insufficient_quota")
    want(e["type"] == "rate_limit_error" and "50 tokens of this day" in e["message"], "what is spent", raw)
    want(r.headers["x-should-retry"] == "false" and 60 < int(r.headers["retry-after"]) <= 86400, "when there is more", r.headers)
    r, raw = ask("POST", "/v1/chat/completions", CHAT | {"max_tokens": 31})
    error(r, raw, 403, "refused")


def settled(path, body):
    """An answer, when the gate has heard the outcome of the request before: until then that one holds the minute."""
    for _ in range(600):
        r, raw = ask("POST", path, body)
        if r.status != 429:
            break
        time.sleep(0.05)
    return r, raw


def story_never():
    """A minute of 400 tokens, few of which are used: what can never fit is told so at once, in the shape of each interface, and what fits later is told when."""
    long = [{"role": "user", "content": "What is a ticket? " * 80}]
    for path, body, typ in (("/v1/chat/completions", {"messages": long}, None), ("/v1/completions", {"prompt": long[0]["content"]}, None),
                            ("/v1/messages", {"messages": long}, "error"), ("/v1/responses", {"input": long[0]["content"]}, "error")):
        most = "max_output_tokens" if path == "/v1/responses" else "max_tokens"
        for tokens, status, why in ((400, 403, "max_tokens 400, with a prompt: line 1 of the quotas allows 400 tokens a minute"),
                                    (9, 400, "[0-9]+ tokens of prompt and 9 to generate exceed the 400 tokens that a quota allows")):
            r, raw = settled(path, dict(body, model="demo", stream=True, **{most: tokens}))
            e = json.loads(raw)
            want(r.status == status and re.search(why, e["error"]["message"]) and e["error"]["code"] == "refused" and e.get("type") == typ, path, raw)
            want("retry-after" not in r.headers, "nobody waits for it", r.headers)
    r, raw = settled("/v1/chat/completions", {"model": "demo", "messages": CHAT["messages"], "temperature": 0})
    want(r.status == 200, "who names no number gets one that fits", raw)


def story_later():
    """Some of this day's 60 tokens are used: the rest is too little for this prompt, and tomorrow is not."""
    r, raw = ask("POST", "/v1/chat/completions", CHAT | {"max_tokens": 8})
    e = error(r, raw, 429, "insufficient_quota")
    want(re.search("tokens of prompt and 8 to generate exceed the [0-9]+ tokens that a quota leaves now", e["message"]), "what is left", raw)
    want(r.headers["x-should-retry"] == "false" and 60 < int(r.headers["retry-after"]) <= 86400, "when there is more", r.headers)


def story_pinned():
    said = [{"role": "user", "content": "Hello"}]
    r, raw = ask("POST", "/v1/messages/count_tokens", {"model": "demo", "messages": said})
    want(json.loads(raw)["input_tokens"] > 30, "the pinned prompt is counted", raw)
    r, raw = ask("POST", "/v1/completions", {"model": "demo", "prompt": "Keep is", "max_tokens": 4})
    error(r, raw, 403, "system_pinned")
    tools = [{"type": "function", "function": {"name": "launch", "parameters": {"type": "object"}}}]
    r, raw = ask("POST", "/v1/chat/completions", dict(CHAT, tools=tools))
    error(r, raw, 403, "tool_not_allowed")
    r, raw = ask("POST", "/v1/chat/completions", CHAT)
    want(r.status == 200, "a conversation", raw)


def story_unpinned():
    """The same gateway, the same connection to the gate, behind a new file of quotas."""
    r, raw = ask("POST", "/v1/completions", {"model": "demo", "prompt": "Keep is", "max_tokens": 4})
    want(r.status == 200, "the new rules count at once", raw)


def story_context():
    """The context has 100 positions, and this answer has no end of its own."""
    body = dict(CHAT, temperature=1, seed=1, max_tokens=32000,
                response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "string", "minLength": 2000}}})
    whole = json.loads(ask("POST", "/v1/chat/completions", body)[1])
    want(whole["usage"]["total_tokens"] == 100 and whole["choices"][0]["finish_reason"] == "length", "as long as its context", whole)
    r, raw = ask("POST", "/v1/chat/completions", dict(body, messages=[{"role": "user", "content": "x " * 200}]))
    want("exceed the context of 100 tokens" in error(r, raw, 400, "refused")["message"], "too long, in numbers", raw)


def story_metrics():
    r, raw = ask("GET", "/metrics")
    want(r.status == 200 and b"\nllamacpp:tokens_predicted_total " in raw, "metrics", raw)
    r, raw = ask("GET", "/v1/models")
    want(r.status == 404, "and nothing else", raw)


LONG = dict(CHAT, max_tokens=450, temperature=1, seed=1, response_format={"type": "json_schema", "json_schema": {
    "name": "long", "schema": {"type": "string", "minLength": 2000}}})


def story_hang_up():
    """Asks for much and waits for all of it: whoever calls this story ends it."""
    ask("POST", "/v1/chat/completions", LONG)


def story_hang_up_stream():
    c = Unix(PATH)
    c.request("POST", "/v1/chat/completions", json.dumps(dict(LONG, stream=True)))
    c.getresponse().read(40)
    c.close()


def raw(data, wait=True):
    """Bytes as they are; all that comes back."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(PATH)
    try:
        s.sendall(data)
        out = b""
        while wait and (part := s.recv(65536)):
            out += part
        return out
    except (BrokenPipeError, ConnectionResetError):
        return out if wait else b""
    finally:
        s.close()


def story_hostile():
    host = b"Host: k\r\n"
    for data, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\n" + host + b"\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
                         (b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n", 501),
                         (b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456", 400),
                         (b"POST /v1/models HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n2;a\rb\r\nxy\r\n0\r\nHost: l\r\n\r\nGET /v1/models HTTP/1.1\r\n" + host + b"\r\n", 501),
                         (b"GET http://k/v1/models HTTP/1.1\r\n" + host + b"\r\nGET /v1/models HTTP/1.1\r\n" + host + b"\r\n", 400),
                         (b"POST /v1/models HTTP/1.1\r\n" + host + b"A: b\r\n Content-Length: 35\r\n\r\nGET /v1/models HTTP/1.1\r\n" + host + b"\r\n", 400),
                         (b"GET / HTTP/1.1\r\n" + host + b"A: " + b"x" * 70000 + b"\r\n\r\n", 431),
                         (b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Content-Length: 99999999999\r\n\r\n", 413)):
        out = raw(data)
        want(out.startswith(b"HTTP/1.1 %d " % status) and out.count(b"HTTP/1.1 ") == 1, "refused with %d, once" % status, data[:80], out)
    head = b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Connection: close\r\nContent-Length: %d\r\n\r\n"
    for body in (b"", b"\xff" * 1000, b"\x00" * 1000, b'{"model":' * 100000, b"[" * 5000000, b'{"model":"demo","messages":[' + b"0," * 2000000 + b"0]}",
                 b'{"model":"demo","model":"demo"}', b'{"model":"demo\\u0000","messages":[{}]}'):
        want(raw(head % len(body) + body).startswith(b"HTTP/1.1 400 "), "a body that is none", body[:40])
    out = raw(b"".join(b"GET /health HTTP/1.1\r\n" + host + (b"Connection: close\r\n" if i == 49 else b"") + b"\r\n" for i in range(50)))
    want(out.count(b"HTTP/1.1 200 OK") == 50, "fifty at once are answered one by one", out.count(b"HTTP/1.1 200 OK"))
    chat = json.dumps(dict(LONG, stream=True)).encode()
    for i in range(60):  # at every stage: before its sender is known (then nothing is recorded), while it computes, in the middle of an event
        s = socket.socket(socket.AF_UNIX)
        s.connect(PATH)
        s.sendall(head % len(chat) + chat[:len(chat) - (i % 3 == 0)])
        if i % 5 in (1, 2, 3) and i % 3:
            s.settimeout(60)
            s.recv(200 * (i % 7) + 1)
        s.close()
    crowd = []
    for i in range(1060):
        s = socket.socket(socket.AF_UNIX)
        s.connect(PATH)
        crowd.append(s)
    for s in crowd[1040:]:
        s.settimeout(20)
        want(s.recv(1) == b"", "one user has no more than so many")
    for s in crowd:
        s.close()
    for _ in range(200):  # until it has seen that they are gone
        if raw(b"GET /health HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n").startswith(b"HTTP/1.1 200 "):
            return
        time.sleep(0.05)
    want(False, "it is not there any more")


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
globals()["story_" + sys.argv[2]]()
