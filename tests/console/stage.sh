# Sourced by run.sh: an appliance that has something to show. On last Tuesday alice and bob asked the model; since then nobody was answered once, a model
# was refused, another was taken away; today the console is open, over TLS.
#
#   stage   $url, $link: where a browser comes in; $work/ca.pem vouches for it
back=$(date -u +%u)
back=$(((back + 4) % 7 + 1)) # days to last Tuesday: 1 to 7
shift_s=$((12 * 3600 - $(date -u +%s) % 86400 - back * 86400)) # to its noon
in_the_past() {
	export LD_PRELOAD="$KEEP_BUILD/tests/console/libclock.so" KEEP_TEST_SHIFT_S="$1"
}
now() { unset LD_PRELOAD KEEP_TEST_SHIFT_S; }
as() { # KEY QUESTION: of the demo model, by the socket
	curl -sf --max-time 60 --unix-socket "$KEEP_ROOT/run/http.sock" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' \
		-d "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"$2\"}],\"temperature\":0,\"max_tokens\":8}" \
		http://keep/v1/chat/completions >"$out" || fail "nobody answers \"$2\""
}
tuesday() {
	in_the_past "$shift_s"
	appliance
	expect 0 keep key add one --for alice
	alice=$(cat "$out")
	expect 0 keep key add two --for bob --reason '<b>loud</b> "onload=x"'
	bob=$(cat "$out")
	printf '[principal alice]\ntokens-per-day = 50000\nparallel = 4\n[everyone]\nparallel = 2\n' >"$work/site.quota"
	expect 0 keep quota set "$work/site.quota"
	start_up
	for q in 'What is Keep?' 'Who signed you?' 'What is a checkpoint?'; do as "$alice" "$q"; done
	as "$bob" 'Is this recorded?'
	stop_up || fail 'keep up, on Tuesday'
}
wednesday() { # things that do not go well
	in_the_past $((shift_s + 86400))
	rm -f "$work/up.log" # Tuesday's says "ready" too
	start_up
	as "$bob" 'And on Wednesday?'
	runtime=$(child keep-runtime)
	kill -STOP "$runtime" # the question is let through, and its answer is never written down
	curl -s --max-time 60 --unix-socket "$KEEP_ROOT/run/http.sock" -H "Authorization: Bearer $bob" -H 'Content-Type: application/json' \
		-d '{"model":"demo","messages":[{"role":"user","content":"Write for ever"}],"max_tokens":4000}' http://keep/v1/chat/completions >"$out" &
	asker=$!
	wait_for '[ "$(keep audit ls --event request --json | grep -c .)" -ge 6 ]' 'a request'
	kill -9 "$(child keepd)"
	kill -CONT "$runtime" 2>/dev/null
	wait $asker
	stop_up
	cp -r "$work/demo" "$work/other"
	flip "$work/other/demo.gguf" 4000
	expect 1 keep import "$work/other" --name other
	now
}
stage() {
	tuesday
	wednesday
	ca
	expect 0 keep tls csr --san IP:127.0.0.1 --out "$work/gate.csr"
	openssl x509 -req -in "$work/gate.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/gate.pem" -days 20 -copy_extensions copy \
		2>"$err" || fail 'openssl: gate'
	expect 0 keep tls install "$work/gate.pem" --root "$work/ca.pem"
	rm -f "$work/up.log"
	"$python" "$KEEP_SOURCE/tests/scenario/listen.py" "$work/port" "$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
	up_pid=$!
	wait_for 'grep -q ": ready" "$work/up.log"' 'keep up'
	url=https://127.0.0.1:$(cat "$work/port")
	as "$alice" 'And today?'
	expect 0 keep role key auditor --out "$work/auditor.key"
	cp "$out" "$work/auditor.vkey"
	link=$(keep console --url "$url" 2>/dev/null) || fail 'no link'
}
