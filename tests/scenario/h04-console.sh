#!/bin/sh
# The review console over TLS: a link of the command line opens it once, a cookie proves who reads, nobody else gets in, a form of another page is not
# taken, and what was read stands in the log under the reader's name.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ca.sh"
command -v curl >/dev/null || skip 'no curl'
appliance
ca
expect 1 keep console # nobody would serve it
says 'not up'
expect 0 keep tls csr --san DNS:keep.test --out "$work/gate.csr"
openssl x509 -req -in "$work/gate.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/gate.pem" -days 20 -copy_extensions copy \
	2>"$err" || fail 'openssl: gate'
expect 0 keep tls install "$work/gate.pem" --root "$work/ca.pem"
"$python" "$KEEP_SOURCE/tests/scenario/listen.py" "$work/port" "$KEEP_BUILD/appliance/cli/keep" up >"$work/up.log" 2>&1 &
up_pid=$!
wait_for 'grep -q ": ready" "$work/up.log"' 'keep up'
port=$(cat "$work/port")
url=https://keep.test:$port
ask() { # PATH CURL-OPTIONS…: the status is printed, head and body lie in $work
	path=$1
	shift
	curl -s -D "$work/head" -o "$work/body" -w '%{http_code}' --max-time 60 --cacert "$work/ca.pem" \
		--resolve "keep.test:$port:127.0.0.1" "$@" "$url$path" || echo " curl $?"
}
is() { # STATUS TEXT COMMAND…
	want=$1 text=$2
	shift 2
	got=$("$@")
	[ "$got" = "$want" ] || fail "$*: $got, not $want: $(cat "$work/body")"
	[ -z "$text" ] || grep -q -- "$text" "$work/body" || fail "$*: no \"$text\" in $(cat "$work/body")"
}
link() { keep console --url "$url" 2>/dev/null | sed 's/.*link=//'; }

# nobody without a proof; style without one
is 401 'Log in' ask /console
is 401 'Log in' ask /console/models
is 200 'console' ask /console/style.css
grep -qi "^content-security-policy: default-src 'none'; style-src 'self'; " "$work/head" || fail 'no policy'
grep -qi '^cache-control: no-store' "$work/head" && grep -qi '^x-content-type-options: nosniff' "$work/head" || fail 'heads'

# a link: looked at it opens nothing, used it opens once
secret=$(link)
is 200 'good for one use' ask "/console/login?link=$secret"
is 200 'good for one use' ask "/console/login?link=$secret"
is 200 'opened on the appliance' ask '/console/login?link=%22%3E%3Cscript%3E'
enter() { ask /console/login -d "link=$1" -H "Origin: $2"; }
is 403 'not stand on a page' enter "$secret" https://evil.test
is 403 'not stand on a page' ask /console/login -d "link=$secret"
is 401 'was used' enter "$(printf '%064d' 0)" "$url"
is 400 'no link' enter nonsense "$url"
is 303 '' enter "$secret" "$url"
grep -qi '^location: /console' "$work/head" || fail 'it leads nowhere'
grep -qiE '^set-cookie: __Host-keep=[0-9a-f]{64}; Path=/; Secure; HttpOnly; SameSite=Strict' "$work/head" || fail 'no cookie'
cookie=$(sed -n 's/^[Ss]et-[Cc]ookie: \([^;]*\);.*/\1/p' "$work/head")
is 401 'was used' enter "$secret" "$url"

# the cookie: here, and nowhere else
is 200 '<h1>Overview</h1>' ask /console -H "Cookie: $cookie"
for word in "What needs attention" "one user" "Models of this appliance" "href=\"/console/models/demo\">demo</a></th>"; do
	is 200 "$word" ask /console -H "Cookie: $cookie"
done
is 404 'Not here' ask /console/nothing -H "Cookie: $cookie"
is 405 '' ask /console -X DELETE -H "Cookie: $cookie"
is 401 no_credentials ask /v1/models -H "Cookie: $cookie"
is 401 'Log in' ask /console -H "Cookie: __Host-keep=$(printf '%064d' 1)"
is 401 'is none' ask /console -H "Cookie: $cookie; $cookie"
is 401 'Log in' ask /console -H "Cookie: __Host-keep=$secret"
is 400 'cannot be read' ask '/console?a=%00' -H "Cookie: $cookie"
grep -rq "$secret\|${cookie#*=}" "$KEEP_ROOT/store" && fail 'a secret lies in the store'

# every page to whoever is proven, none to anybody else; what is not there, or is no address, is said
for path in records records/0 people people/0 used used/demo models models/demo reviews 'reviews/report?from=0&to=5' 'reviews/evidence?from=0&to=5' live \
	log/checkpoint log/vkey log/tile/0/000.p/5 log/tile/entries/000.p/5; do
	is 401 'Log in' ask "/console/$path"
	is 200 '' ask "/console/$path" -H "Cookie: $cookie"
done
while read -r status path; do
	is "$status" '' ask "/console/$path" -H "Cookie: $cookie"
done <<END
404 records/99999999
404 records/-1
404 records/1x
404 models/none
404 models/%3Cb%3E
404 log/tile/0/000
404 log/tile/9/000
404 log/tile/entries/..%2f000
404 log/other
400 records?kind=some
400 records?who=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q
400 records?event=none
400 records?rows=501
400 records?since=2026-02-30
400 reviews/sign?from=0&to=5&vkey=none&remark=x
400 reviews/sign?from=5&to=5
400 reviews/report?from=5&to=3
400 reviews/evidence?from=0&to=100000
END
is 400 'was not taken' ask /console/reviews -H "Cookie: $cookie" -H "Origin: $url" --data-urlencode 'note=nothing signed'
is 403 'not stand on a page' ask /console/reviews -H "Cookie: $cookie" --data-urlencode 'note=nothing signed'
expect 0 keep key add o --for olga --role officer --use console # an officer reads, and signs nothing off
is 200 '<bdi>olga</bdi>' ask /console/records -H "Authorization: Bearer $(cat "$out")"
is 400 'was not taken' ask /console/reviews -H "Authorization: Bearer $(cat "$out")" -H "Origin: $url" --data-urlencode 'note=nothing signed'

# keys are given the use by its name
expect 2 keep key add u --for bob --use console
says 'officers and auditors'
expect 0 keep key add r --for carol --role auditor --use console
key=$(cat "$out")
is 200 '<bdi>carol</bdi>' ask /console -H "Authorization: Bearer $key"
is 403 scope ask /v1/models -H "Authorization: Bearer $key"
expect 0 keep key add a --for alice
is 403 'Not for you' ask /console -H "Authorization: Bearer $(cat "$out")"

# the end
expect 0 keep console --end
says '1 links and logins ended'
is 401 'Log in' ask /console -H "Cookie: $cookie"
expect 0 keep audit ls --event console-enter --json
says '"how":"console-link"'
expect 0 keep audit verify
stop_up || fail "keep up ended with $?"
