/* Every limit of Keep, each with its unit and its reason. A test stands one past each and names it (tests/limits.sh). The sizes at the end
 * are no limits: they say how Keep divides its work. */
#pragma once

/* names and paths */
#define NAME_LEN_MAX \
	64u /* characters of a model's or trust root's name; fits a record line and a terminal column */
#define PATH_LEN_MAX   511u /* bytes of a file's name inside a model; deeper trees are not published */
#define REASON_LEN_MAX 255u /* bytes of a reason text in a frame */

/* the wire */
#define IPC_FRAME_BYTES_MAX 4096u  /* payloads are structs; bulk data goes by memory file */
#define IPC_CLIENTS_MAX	    576u   /* ctl connections that keepd serves at once */
#define IPC_SESSIONS_MAX    576u   /* sessions of all grants together */
#define TICKETS_WAITING_MAX 64u	   /* tickets or requests of one session that wait for their other half */
#define TICKET_WAIT_MS_MAX  10000u /* an unticketed REQUEST is refused after this long */
#define TICKETS_OPEN_MAX \
	2048u /* requests of all sessions that run at once; each keeps LOG_OUTCOME_BYTES of disk for its outcome */

/* models */
#define MODEL_FILES_MAX 1024u	     /* files of one model; GLM-class models come in some hundred shards */
#define MODEL_BYTES_MAX (4ull << 40) /* bytes of one model; the largest published one has 1.5 TB */
#define BUNDLE_BYTES_MAX \
	(64u << 20) /* bytes of a signature bundle; sharded manifests of terabyte models reach 20 MB */
#define JSON_DEPTH_MAX	     64u   /* nesting of any JSON that a stranger wrote */
#define JSON_VALUES_FREE     4096u /* values of any such JSON, whatever its length */
#define JSON_VALUE_BYTES_MIN 16u /* bytes of text for each further value: bounds memory; statements have 28 */
#define TRUST_KEYS_MAX	     64u /* trusted publisher keys of one appliance */
#define MODELS_MAX	     1024u	/* models in one store */
#define KEY_DER_BYTES_MAX    256u	/* DER SubjectPublicKeyInfo: P-521 needs 158 */
#define KEY_PEM_BYTES_MAX    65536u	/* a key file: PEM with the text that tools put before it */
#define PIN_BYTES_MAX	     255u	/* bytes of a token's PIN; PKCS #11 counts them in a byte */
#define CERTS_MAX	     16u	/* certificates of one chain, or pinned roots of one verdict */
#define CERT_BYTES_MAX	     65536u	/* one certificate; real ones have 1 to 4 kB */
#define CERTS_PEM_BYTES_MAX  (1u << 20) /* a file of certificates, with the text that tools put before each */
#define CRLS_MAX	     64u	/* revocation lists of one verdict: one for each CA that may occur */
#define CRLS_PEM_BYTES_MAX   (16u << 20) /* a file of revocation lists; large public CAs reach some MB */
#define LOG_ENTRIES_MAX	     8u		 /* transparency log entries of one bundle; real ones have one */
#define STAMPS_MAX	     8u		 /* time stamps of one bundle; real ones have one */
#define STAMP_BYTES_MAX	     65536u	 /* one time stamp, with the certificates that it may bring */
#define STAMP_ACCURACY_S_MAX 60u	 /* seconds; an authority that is less sure does not say when */
#define SIGNED_AHEAD_S_MAX \
	300u /* seconds that a signed time may lie before us: clocks differ, and a stamp from tomorrow is none */
#define IDENTITY_LEN_MAX     511u /* bytes of a pinned name; workflow URIs have some 150 */
#define IDENTITY_OID_LEN_MAX 127u /* characters of a pinned policy's number; registered ones stay below 40 */
#define BUNDLES_MAX	     8u	  /* signatures over one model: a publisher, laboratories, reviewers */
#define TRUST_FILE_BYTES_MAX (16u << 20) /* a file of the trust store: the largest are revocation lists */
#define TRUST_BYTES_MAX	     (64u << 20) /* all files of the trust store together: each verdict carries them */
#define IGNORE_PATHS_MAX     1024u	 /* ignore_paths of one statement; real ones have five */
#define SHARDS_MAX \
	(1u << 18) /* shards of one model; 4 TiB in shards of 16 MiB, and a list that a bundle can hold */
#define SHARD_BYTES_MAX	   (1ull << 40) /* bytes of one shard; the default is 1 GB */
#define TREE_DEPTH_MAX	   32u		/* directories below each other in a model */
#define SEGMENTS_BYTES_MAX (256u << 20) /* bytes of a segment table: 4 TiB in segments of 1 MiB need 135 MB */

/* policies */
#define POLICY_FILE_BYTES_MAX	(256u << 10) /* a policy file; a page of rules and a long deny list */
#define POLICY_LINE_BYTES_MAX	1024u	     /* bytes of one line */
#define POLICY_SECTIONS_MAX	256u	     /* sections; each verdict walks them */
#define POLICY_PATTERNS_MAX	32u	     /* patterns of one section */
#define POLICY_ROLES_MAX	16u	     /* roles of one signer, or required at once */
#define POLICY_LICENCES_MAX	64u	     /* licences of one section */
#define POLICY_DENIED_MAX	4096u	     /* keys, serials and digests on the deny list */
#define RULES_MAX		24u	     /* rules of a verdict that are listed; they fit its record */
#define SERIAL_HEX_MAX		40u	     /* digits of a certificate's serial: RFC 5280 allows 20 bytes */
#define SPDX_BYTES_MAX		1024u /* bytes of a licence expression; published ones stay below 100 */
#define SPDX_TERMS_MAX		64u   /* licences of an expression */
#define LICENCE_BYTES_MAX	1024u /* bytes of the licence that a model states; longer ones are no expression */
#define TRANSFER_PARTS_MAX	999u	     /* parts of a transfer: three digits of a name */
#define TRANSFER_LIST_BYTES_MAX (1u << 20)   /* the list of them: a line each */
#define TRANSFER_PART_BYTES_MIN (1u << 20)   /* bytes of a part; a floppy disk has more */
#define CARD_BYTES_MAX		(256u << 10) /* bytes of a README.md whose front matter is read */
#define SEQUENCE_BYTES_MAX	20u	     /* bytes of model.sequence: 19 digits and a line feed */

/* trusted roots and transparency logs of keyless signatures */
#define TRUSTED_ROOT_BYTES_MAX \
	(1u << 20)		/* a trusted-root file; the public one has 7 kB, 12 kB with a configuration */
#define TRUSTED_ENTRIES_MAX 64u /* logs or authorities of one kind in it; the public ones have four */
#define LOG_PATH_MAX	    63u /* digests of an inclusion proof: a tree of 2^63 entries */
#define CHECKPOINT_SIGNATURES_MAX \
	64u /* signature lines of a log's checkpoint: its own and those of witnesses */

/* model headers and layouts */
#define GGUF_HEADER_BYTES_MAX \
	(256u << 20) /* metadata and tensor infos of one file; vocabularies of 260 k tokens take 12 MB */
#define GGUF_KV_MAX	      65536u	 /* metadata entries of one file */
#define GGUF_KEY_LEN_MAX      255u	 /* bytes of a metadata key; the longest in use has 46 */
#define GGUF_STRING_BYTES_MAX (1u << 20) /* one metadata string; chat templates reach 17 kB */
#define GGUF_ARRAY_LEN_MAX \
	(1u << 22) /* elements of a metadata array; merges of large vocabularies reach 500 k */
#define LAYOUT_BYTES_MAX    (256u << 20) /* bytes of a layout */
#define TENSORS_MAX	    65536u	 /* tensors of one model */
#define TENSOR_NAME_LEN_MAX 63u		 /* bytes of a tensor's name, as in GGML */
#define VOCAB_MAX	    (1u << 20)	 /* tokens of a vocabulary */
#define TOKEN_BYTES_MAX	    1024u	 /* bytes of one token's text */
#define SPECIAL_TOKEN_BYTES_MAX \
	256u /* bytes of a control or user-defined token; bounds the search at every byte of a text; real ones are a name or a run of blanks */
#define CHARSMAP_BYTES_MAX \
	(1u << 20) /* bytes of a vocabulary's table of normalisation; that of NFKC with case folding has 300 kB */
#define CHARSMAP_KEY_BYTES_MAX	 64u  /* bytes of text that it replaces at once; the longest of NFKC has 12 */
#define CHARSMAP_VALUE_BYTES_MAX 255u /* bytes that it puts there; the longest of NFKC has 33 */
#define TEMPLATE_BYTES_MAX	 (256u << 10) /* bytes of a chat template */
#define TEMPLATE_DEPTH_MAX \
	200u /* nesting of a template's tags, brackets and expressions; published ones reach 12 */
#define TEMPLATE_NEST_MAX \
	1000u /* evaluations within evaluations while it runs: macros in macros; bounds the stack */
#define TEMPLATE_STEPS_MAX \
	(8u << 20) /* evaluations, and 64 bytes handled, of one render; a long chat takes some thousand */
#define TEMPLATE_MEMORY_BYTES_MAX (256u << 20) /* memory of one render; a request's text is at most 16 MiB */
#define TEMPLATE_RANGE_MAX	  100000u      /* elements of range() in a template, as in Jinja's sandbox */
#define LAYERS_MAX		  512u	       /* transformer blocks */
#define DIM_MAX			  (1u << 18)   /* any row length: hidden, feed-forward, heads * head size */
#define HEADS_MAX		  1024u	       /* attention heads of a layer */
#define HEAD_DIM_MAX		  512u	       /* elements of one head */
#define EXPERTS_MAX		  1024u	       /* experts of a layer; the largest published model has 896 */
#define EXPERTS_USED_MAX	  32u	       /* experts of a token; published models choose at most 16 */

/* requests */
#define CTX_TOKENS_MAX	   (1u << 20)  /* positions of one context */
#define REQUEST_BYTES_MAX  (16u << 20) /* bytes of a sealed request */
#define REQUEST_PIECES_MAX 65536u      /* pieces of a prompt */
#define STOPS_MAX	   16u	       /* stop strings of a request */
#define STOP_BYTES_MAX	   256u	       /* bytes of one stop string */
#define BATCH_REQUESTS_MAX 64u	       /* requests computed at once */
#define LOGPROBS_MAX \
	20u /* alternatives of a token whose probabilities are asked for; OpenAI's API gives as many */
#define TEMPERATURE_MIN	   1e-4f  /* below, other than 0, quotients leave the range of the arithmetic */
#define TEMPERATURE_MAX	   100.0f /* above, every token is as probable as another */
#define REPEAT_PENALTY_MIN 0.01f  /* as for the temperature */
#define REPEAT_PENALTY_MAX 100.0f /* as for the temperature */

/* the gateway */
#define GATEWAY_CONNECTIONS_MAX \
	16384u /* clients at once, each with one request; idle ones take 320 MiB by TLS; keepd lets TICKETS_OPEN_MAX run */
#define GATEWAY_CLIENT_CONNECTIONS_MAX \
	1024u /* of them, of one user or address: a sixteenth, the others get in all the same */
#define GATEWAY_SEATS_MAX	 256u	/* principals times models at once; keepd serves IPC_SESSIONS_MAX */
#define CHOICES_MAX		 8u	/* answers to one request; each is a request of its own to the gate */
#define GATEWAY_HEADER_BYTES_MAX 16384u /* request line and headers; real clients send 1 KiB */
#define GATEWAY_BODY_BYTES_MAX	 (16u << 20) /* a body; what is made of it has REQUEST_BYTES_MAX */
#define GATEWAY_BODIES_BYTES_MAX \
	(512u << 20) /* bytes of all bodies that are read at once: 32 of the longest, thousands of usual ones */
#define GATEWAY_CLIENT_BODIES_BYTES_MAX \
	(128u << 20) /* bytes of them for one user or address: a quarter, so that no four keep another out */
#define GATEWAY_BACKLOG_BYTES_MAX (1u << 20) /* of a stream that its client does not read; then it is cut */

/* quotas */
#define QUOTA_FILE_BYTES_MAX (256u << 10) /* a file of quotas; a page for each group of people */
#define QUOTA_LINE_BYTES_MAX 4096u	  /* bytes of one line; a pinned prompt is some hundred */
#define QUOTA_RULES_MAX	     256u	  /* sections; each request of somebody new walks them */
#define QUOTA_NAMES_MAX	     128u	  /* models or tools of one section */
#define QUOTA_PRINCIPALS_MAX 4096u	  /* whose use is counted at once; each is a row of state of a day */

/* who comes over the network */
#define ACCESS_MAX 512u /* API keys and rules for certificates; each is a kilobyte of state */
#define ACCESS_NAME_LEN_MAX \
	223u /* bytes of a name in a client's certificate; SPIFFE identities have some 100 */
#define ACCESS_NAMES_MAX    8u	  /* alternative names of a client's certificate; people have one or two */
#define ACCESS_POLICIES_MAX 4u	  /* certificate policies of a client's certificate; cards state one or two */
#define ACCESS_OID_LEN_MAX  63u	  /* characters of a policy's number; registered ones stay below 40 */
#define ACCESS_KEY_DAYS_MAX 3650u /* days that an API key is good for */
#define CONSOLE_LOGINS_MAX \
	64u /* links and logins of the review console at once; officers and auditors are few */
#define CONSOLE_USER_MAX    4u	 /* of them, of one user; the oldest makes room */
#define CONSOLE_MINUTES_MAX 720u /* minutes of a login: a working day */
#define CONSOLE_PAGE_BYTES_MAX \
	(8u << 20) /* one page of the review console; two hundred records have some 300 kB */

/* grammars that hold an answer */
#define GRAMMAR_STATES_MAX	  65536u /* states of a compiled grammar; schemas of tools take some thousand */
#define GRAMMAR_EDGES_MAX	  262144u    /* edges of a compiled grammar: four for each state */
#define GRAMMAR_TRIGGER_BYTES_MAX 64u	     /* bytes of the text that starts a grammar; a tag */
#define GRAMMAR_SOURCE_BYTES_MAX  (1u << 20) /* bytes of a JSON schema or GBNF text */
#define GRAMMAR_REPEAT_MAX	  16384u /* times that something is repeated by number: maxLength, maxItems, {m,n} */
#define GRAMMAR_MULTIPLE_MAX \
	1000u /* multipleOf, without its point: 1000, or 0.125; remainders that digits are counted by */
#define GRAMMAR_TEXTS_MAX \
	16384u /* states of what patterns, formats and lengths hold together; dates of a pattern need some hundred */
#define GRAMMAR_NEST_MAX    128u /* nesting of a schema, a pattern or a GBNF text; bounds the stack */
#define GRAMMAR_DEPTH_MAX   512u /* calls within calls while an answer follows a grammar; bounds its stacks */
#define GRAMMAR_CONFIGS_MAX 16384u     /* ways that are open at once; an enum of so many strings */
#define GRAMMAR_NODES_MAX   262144u    /* stacks known at once; 16 bytes each */
#define GRAMMAR_SETS_MAX    16384u     /* sets of ways known at once; 1 KiB each */
#define GRAMMAR_WORK_MAX    (8u << 20) /* ways looked at for one choice of a token: some tenths of a second */

/* tools, and the calls that answers hold */
#define TOOLS_MAX	128u	   /* tools of one request; OpenAI's API takes as many */
#define TOOLS_BYTES_MAX (1u << 20) /* bytes of their description */
#define CHAT_NAME_BYTES_MAX \
	128u /* bytes of a tool's name, a parameter's name, or a call's id; published ones reach 64 */
#define CHAT_CALL_BYTES_MAX \
	(1u << 20) /* bytes of one call in an answer, which are held until it is known to be one */
#define CHAT_JSON_DEPTH_MAX 128u /* nesting of a call's arguments */
#define THINK_TAG_BYTES_MAX 64u	 /* bytes of a tag around reasoning, and of what ends it; real ones have 26 */
#define CHAT_HEAD_BYTES_MAX 512u /* bytes of the head of one part of an answer; real ones have 60 */

/* the runtime */
#define GRANTS_MAX	    8u	  /* models that one runtime holds at once */
#define RUNTIME_DEVICES_MAX 8u	  /* devices of one runtime, that the layers of a model may be split over */
#define REQUESTS_QUEUED_MAX 1024u /* requests of one runtime that wait or run */
#define RESULT_BYTES_MAX \
	(1ull << 30) /* logits of all requests in flight: memory that the kernel cannot page out */
#define SESSION_QUEUE_BYTES_MAX \
	(1u << 20) /* that wait for a session's slow reader before its requests are cancelled: 100,000 tokens */
#define GATE_QUEUE_MAX 65536u /* frames that wait for keepd; more means that it is stuck */

/* the log */
#define DENIALS_PER_HOUR \
	60u /* knocks of strangers that are recorded; the rest is counted in the next record */
#define LOG_KEYS_MAX \
	256u /* keys that a log had before its current one: a rotation a month for twenty years */
#define PERSONS_MAX	    256u /* enrolled persons of one appliance; whoever is not has the roles of a group */
#define PENDING_MAX	    32u	  /* proposals that wait for a second person at once */
#define DUAL_BODY_BYTES_MAX 2304u /* bytes of the act of a proposal: a trust root's row is the longest */
#define PEER_GROUPS_MAX	    4096u /* supplementary groups of a client; Linux allows 65,536, sites some hundred */
#define RETAIN_DAYS_MIN	    183u /* days that records of any class stay at least: six months, AI Act art. 19(1) */
#define SUBJECTS_MAX \
	4096u /* people whose texts are kept, or committed to; 256 bytes of secrets each, in memory */
#define HOLDS_MAX    64u  /* legal holds at once; each is a row of state */
#define ARCHIVES_MAX 256u /* archives of one log: 67 million records; each is a row of state for ever */
#define ARCHIVE_RECORDS_MAX \
	262144u /* records of one archive: pruning it is one transaction, a second or two in which nothing else happens */
#define ANSWER_BYTES_MAX \
	(16u << 20) /* bytes of an answer that is kept; a context of a million tokens has some 4 MB */
#define HASHES_PER_QUERY 65536u /* hashes of one answer: 2 MiB */
#define RECORD_BYTES_MAX \
	32768u /* bytes of one record: a verdict with its signers and rules; a C2SP entry may have 65,535 */
#define LOG_KEPT_BYTES \
	(32u << 20) /* disk kept free for the log: a long WAL and the move of it into the database, 16 MiB each */
#define LOG_OUTCOME_BYTES \
	8192u /* the same for every open intent and session: the record that ends it has 4 KiB at most */
#define LOG_RESERVE_BYTES  (8u << 20) /* the file that only officers and auditors may use up */
#define LOG_FREE_MIN_BYTES (4u << 20) /* when less is free before a commit, the reserve gives back */

#define LOOK_BUCKETS_MAX 64u /* of a timeline: bars that a page has room for */
#define LOOK_ANY_MAX	 16u /* alternatives of one kind in a filter: events, actors, models, results */
#define SUMMARY_GROUPS_MAX \
	4096u /* groups of a summary: 1024 models, some hundred people; the rest is one group */
#define REVIEW_BYTES_MAX \
	8192u /* bytes of a sign-off; it stands whole in a record, where a byte takes two at most */
#define REVIEW_QUESTIONS_MAX 16u   /* open questions of a sign-off */
#define EVIDENCE_FILES_MAX   1024u /* files of an excerpt: a dozen, and two for each record of its context */

/* transparency logs: notes, policies and proofs that anybody may have written */
#define NOTE_NAME_MAX \
	255u /* bytes of a key's name or a log's origin; ML-DSA-44 cosignatures can sign no longer one */
#define NOTE_BYTES_MAX	     (512u << 10) /* bytes of a note; 64 post-quantum signatures of 5 kB are 430 kB */
#define NOTE_SIGNATURES_MAX  64u	  /* signature lines of a note; the format asks for at least 16 */
#define POLICY_BYTES_MAX     (1u << 20)	  /* bytes of a witness policy; 128 keys of ML-DSA-44 are 240 kB */
#define POLICY_LOGS_MAX	     64u	  /* logs of a policy; the format asks for at least 32 of each */
#define POLICY_WITNESSES_MAX 64u	  /* witnesses of a policy */
#define POLICY_GROUPS_MAX    64u	  /* groups of a policy */
#define PROOF_BYTES_MAX	     (1u << 20) /* bytes of a tlog-proof: a note, 64 hashes and what was added to them */
#define WITNESS_BYTES_MAX    (1u << 20)	 /* bytes of a request to a witness: a note and 63 hashes */
#define WITNESS_LOGS_MAX     64u	 /* keys of logs that one witness knows */
#define TLOG_ENTRY_BYTES_MAX (64u << 20) /* bytes of a file that is hashed as an entry; bundles hold 65,535 */

/* sandboxes */
#define SANDBOX_THREADS_MAX   1024u /* threads of a process that enters; drivers start one per core */
#define SANDBOX_THREAD_MS_MAX 2000u /* a thread that has not entered after this long never will */

/* chosen sizes: they bound nothing that a file or a frame may say */
#define SEGMENT_BYTES (1u << 20) /* unit of load-time verification; 32 bytes of digest per MiB */
#define CTX_TOKENS_DEFAULT \
	4096u /* positions when nobody says otherwise, if the model was trained on as many; more where there is room */
#define CTX_TOKENS_USUAL \
	32768u /* positions when nobody says otherwise and memory is ample: agents begin with 8,000 to 20,000 */
#define STEP_ROWS_MAX 160u /* rows of one step: one for each running request, the rest prompt */
#define STEP_PROMPT_ROWS \
	96u		  /* prompt rows of one step: bounds how long running answers wait; two tiles of 48 */
#define DRAFT_IDS_MAX 16u /* ids that are guessed at once, for one sequence */
#define KV_CONTEXTS   4u  /* full contexts that a grant's KV pool holds where memory allows */
#define KV_TAILS \
	16u /* full windows that the layers with one hold, where that is less than the other layers' pages: so many long requests run at once */
#define EXPERT_DIM_STEP	      4u   /* elements: rows of experts are whole 16 bytes */
#define GATEWAY_SEAT_IDLE_S   120u /* a seat that nobody used for so long is given up, and its session ends */
#define GATEWAY_FRAMES_A_TURN 64u  /* of one seat, before others have their turn */
#define GATEWAY_KEEP_ALIVE_S \
	10u /* between comments of a stream that has nothing to say yet; proxies wait 30 or 60 */
#define LOOK_TIMELINE_RECORDS \
	200000u /* that a timeline reads to say how many fit its filter, 0.2 s; of more it says how many there are */
#define CONSOLE_LINK_S 300u /* a link to the review console that nobody follows for so long is void */
#define GATEWAY_IDLE_S 60u  /* a connection that neither sends nor is answered */
#define GATEWAY_ANSWER_BYTES \
	(256u << 20)	    /* room for one whole answer as JSON: the text of every context fits */
#define LOAD_THREADS_MAX 4u /* hashing four segments at once outruns any disk of today */
#define PASS_THREADS_MAX \
	32u /* threads that hash a model, a MiB of memory each; as many outrun any disk of today */
