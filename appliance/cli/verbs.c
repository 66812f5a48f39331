#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_OPTIONS                                                                                         \
	"  --raw                the prompt as it is, without the model's chat template\n"                   \
	"  --tokens 1,2,3       token ids instead of a prompt\n"                                            \
	"  --max-tokens N       at most so many tokens of answer (default: 1024, or half of the context)\n" \
	"  --temp T             temperature (default 0: always the most probable token)\n"                  \
	"  --seed S             of the random numbers; drawn when not given\n"                              \
	"  --top-k N  --top-p P  --min-p P  --repeat-penalty R\n"                                           \
	"                       sampling limits (default off)\n"                                            \
	"  --stop TEXT          end the answer before TEXT; may come 16 times\n"                            \
	"  --system TEXT        first message of the conversation\n"                                        \
	"  --messages FILE      a conversation so far, as JSON; PROMPT comes behind it\n"                   \
	"  --file FILE          a file of text in front of PROMPT; may come 16 times\n"                     \
	"  --no-history         what is typed in a conversation is not kept\n"                              \
	"  --template FILE      this chat template instead of the model's\n"                                \
	"  --tools FILE         tools that the model may call, as JSON\n"                                   \
	"  --tool-choice auto|none|required|NAME\n"                                                         \
	"  --tool-result NAME=TEXT\n"                                                                       \
	"                       what a call of NAME gives; may come 16 times; -: lines of standard input\n" \
	"  --one-call           at most one call in an answer\n"                                            \
	"  --think off|N        no reasoning, or at most N tokens of it\n"                                  \
	"  --json-schema FILE   the answer is JSON that fits this schema\n"                                 \
	"  --grammar FILE       the answer fits this GBNF grammar\n"                                        \
	"  --ignore-eos         go on behind the end of the answer\n"                                       \
	"  --draft MODEL        a smaller model with the same vocabulary guesses what comes next\n"         \
	"  --ctx N              positions of the context\n"                                                 \
	"  --kv f32|f16|int8    type of the key-value cache\n"                                              \
	"  --save-request F     write the request, for keep audit replay\n"                                 \
	"  --json               one JSON object instead of the stream\n"

/* In the order in which somebody who is new would need them. */
const struct verb cli_verbs[] = {
	{ "init", cmd_init, "make an appliance in its directory, or the one of this machine",
		"init\ninit --system [--answers FILE | --template]",
		"  --system             as root: users, keys, sockets, trust; asks, or takes\n"
		"  --answers FILE       a file, which\n"
		"  --template           prints, to be filled in\n" },
	{ "up", cmd_up, "start the processes and serve until SIGTERM",
		"up [--device NAME ...] [--split N,N...] [--ctx N]",
		"  --device NAME        compute there (keep device ls); default: the best there is. Several: "
		"layers that do not\n"
		"                       fit on one go to the next\n"
		"  --split N,N...       how many layers each of the devices computes\n"
		"  --ctx N              context of sessions that ask for none: all of HTTP;\n"
		"                       default 4096 to 32768, as memory allows\n" },
	{ "status", cmd_status, "say what runs, what is loaded and how the log stands", "status [--json]",
		NULL },
	{ "device", cmd_device, "list the devices that can compute, or test one",
		"device ls [--json]\ndevice test [NAME] [--json]", NULL },
	{ "doctor", cmd_doctor, "say what of this machine is well, what is not, and what mends it",
		"doctor [--quick] [--json] [CHECK ...]",
		"  CHECK                only this one, or this area: kernel, clock, room, device, program, "
		"unit, egress\n"
		"  --quick              without starting the devices\n" },
	{ "update", cmd_update, "change to the version on a medium, or back to the one before",
		"update apply MEDIUM\nupdate rollback\nupdate status\nupdate adopt MEDIUM\nupdate recover",
		"  as root; the medium's release is judged by the policy that models are judged by\n" },
	{ "support-bundle", cmd_support, "collect what somebody who helps needs to see, and nothing else",
		"support-bundle [--out FILE] [--yes] [--log N]",
		"  --out FILE           default: keep-support.txt; shown before it is written\n"
		"  --yes                write without asking\n"
		"  --log N              so many records of the log's last ones, without people and names "
		"(default 50)\n" },
	{ "keygen", cmd_keygen, "make a key pair to sign models with",
		"keygen --out PREFIX [--curve p256|p384|p521]",
		"  writes PREFIX.key.pem (secret) and PREFIX.pub.pem; needs no appliance\n" },
	{ "sign", cmd_sign, "sign a model, as its publisher",
		"sign MODEL --key (KEY.pem | pkcs11:URI [--pin-file F]) [--cert LEAF.pem [--chain CA.pem "
		"...]]\n"
		"    [--out BUNDLE] [--hash sha256|blake2b|blake3] [--shards BYTES]",
		"  MODEL is a directory or one file; needs no appliance\n"
		"  --key pkcs11:URI     a key in a token (RFC 7512)\n"
		"  --pin-file F         the token's PIN; else the URI's pin-source, else the terminal is "
		"asked\n"
		"  --cert LEAF.pem      sign by certificate: the key's own, and what is in that file behind "
		"it\n"
		"  --chain CA.pem       more certificates for the bundle, issuer after issuer\n"
		"  --out BUNDLE         default: MODEL/model.sig, or MODEL.sig beside a file\n"
		"  --hash NAME          of the files; default sha256, which every verifier knows\n"
		"  --shards BYTES       sign pieces of that size instead of whole files\n" },
	{ "verify", cmd_verify, "verify a model against its bundle, without an appliance",
		"verify MODEL [--bundle F] (--key PUB.pem | --root CA.pem ... [--crl F ...] | --trusted-root "
		"F)\n"
		"    [--identity NAME] [--identity-provider URL] [--leaf SHA256] [--issuer DN] [--policy-oid "
		"OID]\n"
		"    [--tsa F ... [--tsa-policy OID]] [--at UNIXTIME] [--ignore-unsigned-files] [--json]",
		"  --key PUB.pem        the publisher's public key\n"
		"  --root CA.pem        a root that the signer's certificate must lead to; may come several "
		"times\n"
		"  --crl F              revocation lists; with one, every CA of the chain needs a current "
		"one\n"
		"  --trusted-root F     for keyless bundles: sigstore's trusted_root.json, read offline\n"
		"  --identity NAME      the name that the leaf must have: an e-mail address, URI or host\n"
		"  --identity-provider URL\n"
		"                       who vouched for that name towards the authority\n"
		"  --leaf SHA256        the leaf certificate itself\n"
		"  --issuer DN          the authority that signed the leaf, as in CN=ca,O=example\n"
		"  --policy-oid OID     a certificate policy that leaf and authorities state\n"
		"  --tsa F              time stamp authorities; a stamp of one is then needed, and its time "
		"judges\n"
		"  --tsa-policy OID     the policy that stamps must be under\n"
		"  --at UNIXTIME        the time now (default: by the clock)\n"
		"  --ignore-unsigned-files\n"
		"                       do not look at what was not signed\n" },
	{ "trust", cmd_trust, "say whose signatures count",
		"trust add NAME (--key PUB.pem | --root CA.pem PINS | --trusted-root F PINS | --crl F | "
		"--tsa F | --clients CA.pem)\n"
		"    [--models PATTERN] [--for NAME] [--replace] [--sign-with F]\ntrust ls [--json]\n"
		"trust rm NAME [--reason TEXT] [--sign-with F]",
		"  --key PUB.pem        a publisher's public key\n"
		"  --root CA.pem        a CA, and with it at least one of the PINS that a signer's "
		"certificate must show:\n"
		"  --trusted-root F     the same for keyless signatures: a Sigstore trusted root; --identity "
		"and its provider\n"
		"  --identity NAME      one of its alternative names\n"
		"  --identity-provider URL\n"
		"                       who told the CA that name (Fulcio's issuer)\n"
		"  --issuer DN          the CA that signed it, as RFC 2253 writes it\n"
		"  --policy-oid OID     a certificate policy that it states\n"
		"  --leaf HEX           the SHA-256 of its DER\n"
		"  --crl F  --tsa F     revocation lists, certificates of stamp authorities\n"
		"  --clients CA.pem     a CA that vouches for people and programs, and never for models "
		"(keep access)\n"
		"  --for NAME           that serve this root only; default: every root\n"
		"  --models PATTERN     it may vouch for these names only\n"
		"  --replace            instead of the one of that name\n"
		"  --sign-with F        sign this with your own key (keep role), where it takes two "
		"people\n" },
	{ "policy", cmd_policy, "say whose signatures are enough for which model",
		"policy check FILE [--json]\npolicy show [--json]\n"
		"policy set FILE [--reason TEXT] [--sign-with F] [--json]\n"
		"policy explain MODEL [--json]",
		"  check needs no appliance; explain says by which rules a stored model would be accepted "
		"today\n"
		"  --sign-with F        sign this with your own key (keep role), where it takes two "
		"people\n" },
	{ "quota", cmd_quota, "say who may use which models, and how much",
		"quota check FILE [--json]\nquota set FILE [--reason TEXT] [--sign-with F] [--json]\n"
		"quota show [--json]\nquota ls [--json]",
		"  check needs no appliance; ls says what is used: your own, or everybody's where your role "
		"allows\n"
		"  --sign-with F        sign this with your own key (keep role), where it takes two "
		"people\n" },
	{ "import", cmd_import, "verify a signed model and take it in",
		"import PATH [--bundle F ...] [--name NAME] [--into DIR] [--json]\nimport ls | show | revoke "
		"| "
		"rm ...",
		"  PATH                 a directory, one file, a transfer (keep export), or a part of one\n"
		"  --bundle F           default: model.sig in the directory, or FILE.sig beside the file; "
		"may come\n"
		"                       several times, where the policy asks for more signers than one\n"
		"  --name NAME          [a-z0-9._-]{1,64}; default: from PATH\n"
		"  --into DIR           where parts are put together; default: incoming, in the state "
		"directory\n"
		"  A directory that is itself called ls, show, revoke or rm is written ./ls and so on.\n" },
	{ "export", cmd_export, "write a stored model to one file that can be carried",
		"export NAME FILE [--split BYTES [--part N]] [--label TEXT] [--sign-with F] [--json]",
		"  --split BYTES        FILE.001, FILE.002 ... of at most so many bytes, and their list "
		"FILE.sha256;\n"
		"                       given again, it goes on where it was interrupted\n"
		"  --part N             only that one, for a medium that holds no more\n"
		"  --label TEXT         what for, or onto what, for the record\n"
		"  --sign-with F        sign the proposal, where the policy wants two people\n" },
	{ "ls", cmd_ls, "list the models", "ls [--json]", NULL },
	{ "show", cmd_show, "show everything that is known of a model", "show NAME [--json]", NULL },
	{ "revoke", cmd_revoke, "withdraw a model; its sessions end at once", "revoke NAME [--reason TEXT]",
		NULL },
	{ "rm", cmd_rm, "remove a model's files", "rm NAME", NULL },
	{ "gc", cmd_gc, "say what room the models take, and remove those that nobody needs",
		"gc [--unused DAYS] [--withdrawn] [--remove] [--json]",
		"  --unused DAYS        models that were not used for so long\n"
		"  --withdrawn          models that were revoked or quarantined\n"
		"  --remove             remove them; without it they are only shown\n" },
	{ "run", cmd_run, "ask a model",
		"run MODEL [PROMPT] [--raw] [--tokens 1,2,3] [--max-tokens N] [--temp T] [--seed S]\n"
		"    [--file FILE] [--save-request F] [--plan] [--json]",
		RUN_OPTIONS
		"  --plan               say what would go where and what it takes; nothing is loaded\n"
		"  Without PROMPT: a conversation, or the prompt from standard input when that "
		"is no terminal.\n" },
	{ "ps", cmd_ps, "say what is loaded, and who uses it", "ps [--json]", NULL },
	{ "stop", cmd_stop, "end a session, or all use of a model until somebody asks it again",
		"stop (SESSION | MODEL) [--reason TEXT]", NULL },
	{ "tokenize", cmd_tokenize, "print the token ids of a text",
		"tokenize MODEL [--special] [--json] < text",
		"  --special            as a prompt: control tokens in the text count, and the model's own\n"
		"                       begin and end tokens are added\n" },
	{ "logits", cmd_logits, "write a model's raw output for every input position",
		"logits MODEL --tokens 1,2,3 --out FILE [--kv f32|f16|int8] [--json]",
		"  FILE                 float32, little-endian, [n_tokens, n_vocab]\n"
		"  --kv f32|f16|int8    type of the key-value cache (default f32)\n" },
	{ "bench", cmd_bench, "measure a model on this machine, through the gate",
		"bench MODEL [--prompt N] [--generate N] [--parallel 1,2,4,8] [--ctx-sweep 1024,4096]\n"
		"    [--repeat R] [--kv f32|f16|int8] [--json]",
		"  --prompt N           tokens of a prompt (default 512)\n"
		"  --generate N         tokens of an answer (default 128)\n"
		"  --parallel LIST      so many requests at once, each with that prompt and answer "
		"(1,2,4,8)\n"
		"  --ctx-sweep LIST     prompts of these lengths too, and answers behind them\n"
		"  --repeat R           rounds (default 3); a round measures every line once\n"
		"  --kv f32|f16|int8    type of the key-value cache\n" },
	{ "audit", cmd_audit, "read, review, check and repeat what the log holds",
		"audit ls [FILTER] [--count N | --last N] [--json]\naudit show N [--content] [--json]\n"
		"audit events [--json]\n"
		"audit summary [--by actor|model|event] [FILTER] [--json]\naudit orphans [FILTER] [--json]\n"
		"audit diff A [B] [--json]\n"
		"audit sign-off FROM..TO --remark TEXT [--question TEXT ...] (--key F | --vkey V --out F) "
		"[--json]\n"
		"audit sign-off --sign F --key F --out F\naudit sign-off --in F [--json]\n"
		"audit verify [--json]\n"
		"audit checkpoint [--old N] [--out F] [--qr] [--png F] [--paper] [--json]\n"
		"audit evidence FROM..TO DIR [--json]\n"
		"audit export --format jsonl|ocsf|rfc5424|fhir [FILTER] [--out F]\naudit export --tiles DIR "
		"[--json]\naudit receipt N --out F [--entry F] [--newest] [--json]\n"
		"audit witnesses POLICY [--reason TEXT] [--sign-with F] [--json]\n"
		"audit cosign F [--checkpoint F] [--paper] [--json]\n"
		"audit archive FROM..TO DIR [--label TEXT] [--json]\naudit prune ARCHIVE [--reason TEXT] "
		"[--sign-with F] [--json]\n"
		"audit replay N [--request F] [--answer F] [--json]",
		"  FILTER: --event E --actor UID --model NAME --result WORD (each may be a list with commas, "
		"and come\n"
		"  again), --since and --until DATE, --text BYTES, --from and --to RECORD, --acts: nothing "
		"routine\n"
		"  diff says what happened between two checkpoints, or numbers of records; sign-off is an "
		"auditor's\n"
		"  word on a range; verify re-reads everything; replay runs request N again and compares\n"
		"  checkpoint --old N is the request to a witness that has seen N records; cosign takes its "
		"answer\n" },
	{ "retention", cmd_retention, "say what is kept of texts, and how long records stay",
		"retention show [--json]\n"
		"retention set [--texts digests|commitments|content] [--use DAYS] [--operate DAYS] [--reason "
		"TEXT] "
		"[--sign-with F] [--json]",
		"  --texts              what records say of requests and answers: digests (the default),\n"
		"                       salted commitments, or these and the texts, sealed for each subject\n"
		"  --use DAYS           how long records of sessions and requests stay: 183 or more, or "
		"for-ever\n"
		"  --operate DAYS       the same of starts, imports and loading\n" },
	{ "hold", cmd_hold, "keep what must not be erased or pruned",
		"hold ls [--json]\n"
		"hold add NAME [--subject WHO] [--range FROM..TO] [--reason TEXT] [--sign-with F] [--json]\n"
		"hold rm NAME [--reason TEXT] [--sign-with F] [--json]",
		"  --subject WHO        a user's number; default: everybody\n"
		"  --range FROM..TO     of records; default: all, and all that come\n"
		"  Removing a hold takes two people.\n" },
	{ "erase", cmd_erase, "forget what somebody asked and was answered",
		"erase SUBJECT [--reason TEXT] [--sign-with F] [--json]",
		"  SUBJECT              a user's number, or the name that records of requests give\n"
		"  It takes two people; the log stays whole.\n" },
	{ "witness", cmd_witness, "sign the checkpoints of other people's logs",
		"witness init [--name NAME] [--state DIR] [--json]\nwitness show [--state DIR] [--json]\n"
		"witness add VKEY [--state DIR]\n"
		"witness sign CHECKPOINT [--proof F] [--out F] [--lines] [--state DIR]",
		"  CHECKPOINT is a request that keep audit checkpoint wrote, or a bare checkpoint with "
		"--proof\n"
		"  --state DIR          default: ROOT/witness\n" },
	{ "tlog", cmd_tlog, "answer one question about notes, proofs or logs of anybody",
		"tlog vkey VKEY\ntlog note-verify --vkey V ... FILE\ntlog checkpoint --vkey V ... FILE\n"
		"tlog policy FILE\ntlog proof-verify --policy POLICY PROOF ENTRY\n"
		"tlog inclusion INDEX SIZE LEAFHASH ROOT PROOF\n"
		"tlog consistency SIZE1 SIZE2 ROOT1 ROOT2 PROOF\ntlog root FILE ...\n"
		"tlog fsck DIR --policy POLICY [--older CHECKPOINT ...]\n"
		"tlog witness --state DIR --vkey V ... [--name NAME]",
		"  each with --json; 0 yes, 1 no or malformed; needs no appliance\n"
		"  hashes in hexadecimal; PROOF is a comma list of them, or - for none\n"
		"  witness takes one add-checkpoint body on standard input and prints status and body\n" },
	{ "role", cmd_role, "say who may do what",
		"role ls [--json]\n"
		"role add NAME --uid N --role ROLE ... [--vkey V] [--reason TEXT] [--sign-with F] [--json]\n"
		"role rm NAME [--reason TEXT] [--sign-with F] [--json]\nrole key NAME --out F",
		"  ROLE is user, operator, officer or auditor; add and rm take two officers (keep pending)\n"
		"  --vkey V             the person's public key: from then on it must sign what needs two "
		"people\n"
		"  --sign-with F        sign this with your own key\n"
		"  key makes a person's key; needs no appliance\n" },
	{ "console", cmd_console, "open the review console in a browser",
		"console [--url URL] [--minutes N] [--json]\nconsole --end",
		"  Prints a link for one use, for officers and auditors.\n"
		"  --url URL            how the gateway is reached; default https://localhost:8443\n"
		"  --minutes N          what it opens lasts so long (default 480, at most 720)\n"
		"  --end                ends all links and logins of yours\n" },
	{ "key", cmd_key, "give somebody an API key, or take it back",
		"key add NAME --for PRINCIPAL [--role ROLE] [--days N] [--models PATTERN] [--use USE ...]\n"
		"    [--reason TEXT] [--sign-with F] [--json]\n"
		"key ls [--json]\nkey revoke NAME [--reason TEXT] [--sign-with F] [--json]",
		"  The key is printed once, on standard output, and stored nowhere.\n"
		"  --for PRINCIPAL      who comes by it: what records and quotas call that one\n"
		"  --role ROLE          user (the default), operator, officer or auditor\n"
		"  --days N             good for so long (default 365, at most 3650)\n"
		"  --models PATTERN     of these names only\n"
		"  --use USE            generate, count or list; default: all three; or console\n"
		"  --sign-with F        sign this with your own key (keep role), where it takes two "
		"people\n" },
	{ "access", cmd_access, "say who comes by which certificate",
		"access add NAME --ca ROOT [--san KIND:NAME] [--issuer DN] [--policy-oid OID] [--for "
		"PRINCIPAL]\n"
		"    [--role ROLE] [--models PATTERN] [--use USE ...] [--reason TEXT] [--sign-with F]\n"
		"access ls [--json]\naccess rm NAME [--reason TEXT] [--sign-with F] [--json]",
		"  --ca ROOT            the trust root that vouches for it (keep trust)\n"
		"  --san KIND:NAME      email, dns, uri or upn; one * stands for one or more characters\n"
		"  --issuer DN          the CA that signed it, as RFC 2253 writes it\n"
		"  --policy-oid OID     a certificate policy that it states\n"
		"  --for PRINCIPAL      who that is; default: the name that --san matched\n"
		"  Of several rules that fit, the one with the exact name counts; of equals, none.\n" },
	{ "tls", cmd_tls, "give the gateway a certificate, without any network",
		"tls csr --san KIND:NAME ... [--subject CN] --out F\n"
		"tls install CERT.pem [--root CA.pem]\ntls status [--json]",
		"  csr makes a key, which stays in ROOT/tls, and the request for a certificate\n"
		"  --san KIND:NAME      DNS or IP: what clients call this machine; may come several times\n"
		"  --root CA.pem        the certificate must lead to it\n" },
	{ "propose", cmd_propose, "propose what needs two people",
		"propose lift MODEL | serve MODEL | rotate [--reason TEXT] [--sign-with F] [--json]",
		"  lift                 end the quarantine or revocation of a model\n"
		"  serve                let a model be used, where the policy wants two people to say so\n"
		"  rotate               give the log a new key\n"
		"  --sign-with F        sign this with your own key\n" },
	{ "pending", cmd_pending, "list what waits for a second person", "pending [--json]", NULL },
	{ "approve", cmd_approve, "approve, as the second person, what was proposed",
		"approve INDEX [--reason TEXT] [--sign-with F] [--json]",
		"  --sign-with F        sign this with your own key\n" },
	{ "reject", cmd_reject, "reject what was proposed, or take it back",
		"reject INDEX [--reason TEXT] [--sign-with F] [--json]",
		"  --sign-with F        sign this with your own key\n" },
	{ "verify-model", cmd_verify_model, "verify, in the words of the conformance suite's adapters",
		"verify-model --method key|certificate|sigstore --model-path D --bundle F [--public-key P]\n"
		"    [--cert-chain ROOT.pem ...] [--ignore-paths P ...] [--ignore-unsigned-files]\n"
		"    [--identity I --identity-provider URL --trusted-root F]",
		"  paths are absolute\n" },
	{ "sign-model", cmd_sign_model, "sign, in the words of the conformance suite's adapters",
		"sign-model --method key|certificate --model-path D --output-bundle F --private-key K\n"
		"    [--signing-cert C] [--cert-chain P ...] [--ignore-paths P ...]",
		"  paths are absolute\n" },
	{ "help", cmd_help, "say how a verb is used", "help [VERB]", NULL },
};
const size_t cli_n_verbs = ARRAY_LEN(cli_verbs);

const struct verb *cli_verb_find(const char *name)
{
	for (size_t i = 0; i < cli_n_verbs; i++)
		if (!strcmp(cli_verbs[i].name, name))
			return &cli_verbs[i];
	return NULL;
}

/* Edits (insert, drop, change one letter) between two short words. */
static size_t distance(const char *a, const char *b)
{
	enum { LEN_MAX = 16 };
	size_t n = strlen(b), row[LEN_MAX + 1];
	if (n > LEN_MAX || strlen(a) > LEN_MAX)
		return LEN_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; *a; a++, i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t change = diagonal + (*a != b[j - 1]);
			diagonal = row[j];
			row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[n];
}

/* Is b the word a with two neighbours swapped? */
static bool swapped(const char *a, const char *b)
{
	size_t n = strlen(a), i = 0;
	if (n != strlen(b) || n < 2)
		return false;
	while (i < n && a[i] == b[i])
		i++;
	return i + 1 < n && a[i] == b[i + 1] && a[i + 1] == b[i] && !strcmp(a + i + 2, b + i + 2);
}

const struct verb *cli_verb_near(const char *word)
{
	static const char *const also[][2] = { { "list", "ls" }, { "delete", "rm" }, { "remove", "rm" },
		{ "serve", "up" }, { "start", "up" }, { "chat", "run" }, { "log", "audit" },
		{ "devices", "device" }, { "add", "import" }, { "info", "show" }, { "pull", "import" },
		{ "kill", "stop" } };
	for (size_t i = 0; i < ARRAY_LEN(also); i++)
		if (!strcmp(word, also[i][0]))
			return cli_verb_find(also[i][1]);
	for (size_t i = 0; i < cli_n_verbs; i++)
		if (swapped(word, cli_verbs[i].name))
			return &cli_verbs[i];
	const struct verb *best = NULL;
	size_t least = 3 * 2;
	for (size_t i = 0; i < cli_n_verbs; i++) {
		size_t d = distance(word, cli_verbs[i].name), len = strlen(cli_verbs[i].name);
		size_t far = 2 * d + (*word != *cli_verbs[i].name); /* people get the first letter right */
		if (far < least && (d < len || !strncmp(word, cli_verbs[i].name, len))) {
			least = far;
			best = &cli_verbs[i];
		}
	}
	return best;
}

u32 cli_forms(FILE *f, const struct verb *v, const char *form)
{
	char begin[64];
	bool shown = false;
	u32 lines = 0;
	size_t len = (size_t)snprintf(begin, sizeof begin, "%s %s", v->name, form ? form : "");
	assert(len < sizeof begin);
	for (const char *p = v->usage; *p;) {
		size_t n = strcspn(p, "\n");
		if (*p != ' ') /* else it goes on with the form above */
			shown = !form || (!strncmp(p, begin, len) && strchr(" \n", p[len]));
		if (shown)
			fprintf(f, "%-6s %s%.*s\n", lines++ ? "" : "usage:", *p == ' ' ? "    " : "keep ",
				(int)n, p);
		p += n + (p[n] == '\n');
	}
	return lines;
}

static int help_verb(const char *name)
{
	const struct verb *v = cli_verb_find(name);
	if (!v) {
		const struct verb *near = cli_verb_near(name);
		out_say("%s: no such verb%s%s%s", name, near ? "; did you mean " : "", near ? near->name : "",
			near ? "?" : "");
		return CLI_USAGE;
	}
	printf("keep %s - %s\n\n", v->name, v->summary);
	cli_forms(stdout, v, NULL);
	if (v->more)
		printf("\n%s", v->more);
	printf("\nmore: man keep-%s\n", v->name);
	return CLI_DONE;
}

void cli_help_all(FILE *f)
{
	fprintf(f, "keep - run open-weight models on a machine that is connected to nothing\n\n"
		   "usage: keep [--root DIR] VERB ...\n\n");
	for (size_t i = 0; i < cli_n_verbs; i++)
		fprintf(f, "  %-13s %s\n", cli_verbs[i].name, cli_verbs[i].summary);
	fprintf(f, "\n  --root DIR   the appliance; else KEEP_ROOT; else $XDG_STATE_HOME/keep or "
		   "~/.local/state/keep;\n"
		   "               (where that is not there, this machine's: /run/keep)\n"
		   "  --version, --help\n\n"
		   "exit status: 0 done or accepted, 1 refused or failed, 2 wrong usage, 3 could not decide, "
		   "4 quota spent\n"
		   "first steps: keep init; keep trust add NAME --key PUB.pem; keep import PATH; keep run "
		   "NAME\n");
}

int cmd_help(struct cli *c, int argc, char **argv)
{
	if (argc > 1)
		return out_usage(c, "too many arguments");
	if (argc == 1 && strcmp(argv[0], "-h") && strcmp(argv[0], "--help"))
		return help_verb(argv[0]);
	cli_help_all(stdout);
	return CLI_DONE;
}
