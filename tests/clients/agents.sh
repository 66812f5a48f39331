#!/bin/sh
# agents.sh: codex and opencode, as their makers ship them, at work with a model behind the gateway: they show an API key, send their tools, run
# what the model calls, send the results back, and print its last word. The model says what a script says (scripted.py), so that it is known what
# they must do; that the command was run shows in its answer, which it gives only when the result has come back.
# They come from their registry into a folder of the build, once; where there is no npm, or no registry answers it, they cannot be had: 77.
. "$(dirname "$0")/../scenario/lib.sh"
export KEEP_DEVICE=native # their prompts have 20,000 tokens
folder=$KEEP_BUILD/agents
command -v npm >/dev/null || skip 'npm is not installed'
if ! cmp -s "$KEEP_SOURCE/tests/clients/agents.json" "$folder/package.json"; then
	mkdir -p "$folder"
	cp "$KEEP_SOURCE/tests/clients/agents.json" "$folder/package.json"
	(cd "$folder" && timeout 240 npm install --no-audit --no-fund --ignore-scripts --loglevel=error) >"$out" 2>"$err" </dev/null ||
		{ rm "$folder/package.json" && skip "npm could not install them: $(tail -n 1 "$err")"; }
fi
appliance
mkdir "$work/scripted"
expect 0 "$python" "$KEEP_SOURCE/tests/clients/scripted.py" "$demo/demo.gguf" "$work/scripted/scripted.gguf"
cp "$demo/LICENSE" "$work/scripted/"
expect 0 keep sign "$work/scripted" --key "$work/pub.key.pem"
expect 0 keep import "$work/scripted"
LISTEN_AS=http "$python" "$KEEP_SOURCE/tests/scenario/listen.py" "$work/port" "$KEEP_BUILD/appliance/cli/keep" up --ctx 32768 >"$work/up.log" 2>&1 &
up_pid=$!
wait_for 'grep -q ": ready" "$work/up.log" || ! kill -0 $up_pid' 'keep up'
url=http://127.0.0.1:$(cat "$work/port")/v1
expect 0 keep key add agents --for agents --days 1
KEEP_KEY=$(cat "$out")
export KEEP_KEY
mkdir -p "$HOME/.codex" "$work/desk"
cd "$work/desk" || fail desk

cat >"$HOME/.codex/config.toml" <<END
model = "scripted"
model_provider = "keep"
[model_providers.keep]
name = "Keep"
base_url = "$url"
env_key = "KEEP_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
END
codex() { timeout 300 node "$folder/node_modules/@openai/codex/bin/codex.js" exec --skip-git-repo-check --sandbox danger-full-access "$@"; }
expect 0 codex --json 'Look around.'
cp "$out" "$work/codex"
"$python" - "$work/codex" <<'END' >"$out" 2>&1 || fail 'codex did something else'
import json, sys
items = [e["item"] for e in map(json.loads, open(sys.argv[1])) if e["type"] == "item.completed"]
runs = [i["aggregated_output"].strip() for i in items if i["type"] == "command_execution"]
assert sorted(runs) == ["again-42", "kept-42"], items
assert [i["text"] for i in items if i["type"] == "agent_message"][-1] == "The command said kept-42, and that is all.", items
END
expect 0 keep audit ls --event session --json
says '"principal":"agents","how":"api-key","credential":"agents"'

cat >opencode.json <<END
{"autoupdate":false,"share":"disabled","model":"keep/scripted","provider":{"keep":{"npm":"@ai-sdk/openai-compatible","name":"Keep",
"options":{"baseURL":"$url","apiKey":"{env:KEEP_KEY}"},"models":{"scripted":{"name":"scripted","limit":{"context":65536,"output":4096}}}}}}
END
# its package's script would put the program where its own name is; ours runs no scripts of packages, and takes the one for any x86-64 or this machine
for opencode in "$folder"/node_modules/opencode-linux-*/bin/opencode; do
	case $opencode in *-baseline/*) break ;; esac
done
[ -x "$opencode" ] || fail 'no opencode for this machine was installed'
opencode() { OPENCODE_DISABLE_MODELS_FETCH=1 timeout 300 "$opencode" run --format json "$@"; }
expect 0 opencode 'Look around.'
cp "$out" "$work/opencode"
says 'kept-42'
says 'The command said kept-42, and that is all'
cat "$out"
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
