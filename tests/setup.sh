#!/bin/sh
# setup.sh BUILD: keep init --system, with stand-ins for what only a machine of its own may do (users, units, root): its answers are judged before
# anything is done; then log, trust, policy and retention are there, what is to be written down is true, and a second run changes nothing.
set -u
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/.." && pwd)
bad=0
fault() { echo "$1" && bad=$((bad + 1)); }
work=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/lib" "$work/app" "$work/app/run"
export KEEP_STORE="$work/app/store" KEEP_RUN="$work/app" KEEP_LIBEXEC="$work/lib" KEEP_CREDSTORE="$work/creds" KEEP_PLAINSTORE="$work/plain" KEEP="$build/appliance/cli/keep" HOME="$work" NO_COLOR=1
for p in audit/keepd attest/keep-attest runtime/keep-runtime appliance/gateway/keep-gateway packaging/keep-setup packaging/keep-seal packaging/keep-update; do
	ln -s "$build/$p" "$work/lib/"
done
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1" && chmod +x "$work/bin/$1"; }
stand_in id 'echo 0'
stand_in install 'n=$# && while [ $n -gt 0 ]; do case $1 in -[og]) shift 2 && n=$((n - 1)) ;; *) set -- "$@" "$1" && shift ;; esac; n=$((n - 1)); done; exec /usr/bin/install "$@"'
for p in systemctl systemd-sysusers systemd-tmpfiles usermod; do stand_in $p "echo $p \"\$@\" >>'$work/done'"; done
stand_in getent "case \$2 in o1 | o2 | op | au | us) ;; *) exit 2 ;; esac"
stand_in setpriv 'while :; do case $1 in --clear-groups) shift ;; --*) shift 2 ;; *) break ;; esac; done; exec "$@"'
# the doctor judges the machine that the test runs on, which is no question here
stand_in keep "[ \"\$1\" = doctor ] && exit 0; exec '$KEEP' \"\$@\""
real=$KEEP
export KEEP="$work/bin/keep" PATH="$work/bin:$PATH"
setup() { "$real" init --system "$@" >"$work/out" 2>"$work/err" </dev/null; }
refused() { # WORDS, of answers on standard input
	cat >"$work/answers"
	setup --answers "$work/answers" && fault "accepted: $(cat "$work/answers")"
	grep -q "$1" "$work/err" || { fault "not said: $1" && cat "$work/err"; }
	[ ! -e "$work/done" ] && [ ! -e "$KEEP_STORE" ] || fault "something was done before \"$1\" was said"
}

"$real" keygen --out "$work/pub" >/dev/null 2>&1 || fault keygen
refused 'is no answer' <<-END
	oficer = o1
END
refused 'nobody-here is no user' <<-END
	officer = o1 nobody-here
END
refused 'an auditor has none\|au has another role' <<-END
	auditor = au
	user = au
END
refused 'an officer is none' <<-END
	officer = o1 o2
	operator = o1
END
refused 'cannot be read' <<-END
	trust = pub $work/not-there.pem
END
refused 'not a name and a file' <<-END
	trust = pub
END
refused '183 days at least' <<-END
	use = 30
END
echo 'nonsense' >"$work/policy"
refused 'does not pass' <<-END
	policy = $work/policy
END
refused 'digests, commitments or content' <<-END
	texts = everything
END
refused 'neither DNS:NAME nor' <<-END
	https = keep.example.org
END
refused 'what do clients call' <<-END
	certificate = $work/policy
END
refused 'is the medium mounted' <<-END
	recovery = $work/not-there/log.key
END
refused 'none of amd, intel' <<-END
	gpu = matrox
END
refused 'vendors, or none' <<-END
	gpu = amd none
END
refused 'processors: percent' <<-END
	processors = 6.5
END
refused 'memory: percent' <<-END
	memory = 101
END
setup && fault "nobody answered, and something was set up"
grep -q 'nothing was done' "$work/err" && [ ! -e "$work/done" ] && [ ! -e "$KEEP_STORE" ] || fault "nobody answered: $(cat "$work/err")"
setup --template && cp "$work/out" "$work/template" || fault "no template"
grep -q '^trust =' "$work/template" || fault "the template asks for no trust"

printf '[policy]\nversion = 1\n\n[models *]\nrequire = 1 any\n' >"$work/policy"
cat >"$work/answers" <<END
officer = o1 o2
operator = op
auditor = au
trust = pub $work/pub.pub.pem
policy = $work/policy
texts = commitments
use = 200
seal = no
recovery = $work/safe.key
https = DNS:keep.test IP:10.0.0.7
request = $work/keep.csr
memory = 70
processors = 50
END
mkdir -p "$work/sys/class/drm/renderD128/device" "$work/units" && echo 0x1002 >"$work/sys/class/drm/renderD128/device/vendor"
export KEEP_SYS="$work/sys" KEEP_UNITS="$work/units" KEEP_GPU="$source/packaging/systemd/gpu"
setup --answers "$work/answers" || { fault "the setup failed" && cat "$work/err"; }
[ "$(cat "$KEEP_STORE/keys/log.vkey")" = "$(sed -n 's/^  log      //p' "$work/out")" ] || fault "the printed key is not the log's"
grep -qF "$(sha256sum <"$work/pub.pub.pem" | cut -c1-64)" "$work/out" || fault "the trusted key's digest was not printed"
grep -qF "$(sha256sum <"$build/audit/keepd" | cut -c1-64)" "$work/out" || fault "the gate's digest was not printed"
for line in 'usermod -aG keep-officer o2' 'usermod -aG keep-auditor au' 'systemctl enable --quiet --now keepd.socket' 'keep-gateway.socket'; do
	grep -qF -e "$line" "$work/done" || fault "not done: $line"
done
export KEEP_ROOT="$work/app"
"$real" trust ls --json | grep -q '"name":"pub"' || fault "the key is not trusted"
"$real" retention show --json | grep -q commitments || fault "the retention was not set"
"$real" policy show | grep -q 'require' || fault "the policy was not set"
cmp -s "$work/safe.key" "$KEEP_STORE/keys/log.key" && [ "$(stat -c %a "$work/safe.key")" = 400 ] || fault "the copy of the log's key"
gpus=$work/units/keep-runtime.service.d
[ "$(ls "$gpus")" = gpu-amd.conf ] && grep -q '^DeviceAllow=char-drm' "$gpus/gpu-amd.conf" || fault "the GPU's profile is not in place"
slice=$work/units/keep.slice.d/keep-init.conf
[ "$(grep -v '^#' "$slice" | tr '\n' ' ')" = "[Slice] MemoryMax=70% CPUQuota=$(($(getconf _NPROCESSORS_ONLN) * 50))% " ] && [ "$(stat -c %a "$slice")" = 644 ] || fault "the slice's bounds: $(cat "$slice")"
openssl req -in "$work/keep.csr" -noout -text | grep -q 'DNS:keep.test, IP Address:10.0.0.7' || fault "the request for a certificate"
grep -q 'carry .*/keep.csr to your CA' "$work/err" || fault "not said: what becomes of the request"

# what the CA made of it; and no GPU any more
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$work/ca.key" -out "$work/ca.pem" -subj /CN=Root -days 9 2>/dev/null &&
	openssl x509 -req -in "$work/keep.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -out "$work/keep.pem" -days 9 -copy_extensions copy 2>/dev/null || fault "openssl"
stand_in systemd-creds 'case $1 in encrypt) for to; do :; done; cat >"$to" ;; decrypt) for f; do [ "$f" = - ] || from=$f; done; cat "$from" ;; esac'
sed -i '/^memory\|^processors/d' "$work/answers"
before=$("$real" trust ls --json)
printf '%s\n' "certificate = $work/keep.pem" 'gpu = none' >>"$work/answers"
setup --answers "$work/answers" || { fault "a second run failed" && cat "$work/err"; }
[ "$("$real" trust ls --json)" = "$before" ] || fault "a second run changed what is trusted"
[ -s "$work/creds/keep.tls.key" ] && cmp -s "$work/plain/keep.tls.crt" "$work/keep.pem" && [ ! -e "$KEEP_RUN/tls/keep.tls.key" ] || fault "the gateway's key is not sealed"
grep -q 'enable --quiet --now keep-gateway-https.socket' "$work/done" || fault "port 8443 is not open"
[ ! -e "$gpus" ] || fault "the GPU's profile stays"
[ ! -e "${slice%/*}" ] || fault "the slice's bounds stay"
"$real" audit verify >/dev/null 2>&1 || fault "the log does not verify"

# asked instead (the order of the questions is that of the lines): an empty answer everywhere is an appliance that trusts nobody yet
mkdir -p "$work/app2/run"
(export KEEP_STORE="$work/app2/store" KEEP_RUN="$work/app2" && printf '\n\n\n\n\n\n\n\n\nno\n\nno\n\nnone\n\n\n' | "$real" init --system >"$work/out" 2>"$work/err") ||
	{ fault "the questions failed" && cat "$work/err"; }
KEEP_ROOT=$work/app2 "$real" status >/dev/null 2>&1 || fault "nothing stands after the questions"
echo "$bad faults"
[ $bad = 0 ]
