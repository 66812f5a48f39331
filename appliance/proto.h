/* Every word of the system, on one page. A frame is struct ipc_header (type, len, id), the struct named here, and a descriptor where
 * the word is marked +fd. Integers are little-endian, reserved bytes are zero, strings are 0-terminated and zero-filled.
 *
 * The structs stand in proto/, a header for each socket and one for what several carry. The two tables that travel as memory files are in
 * base/layout.h, the request blob in base/request.h, what is said of keys and certificates in base/access.h. */
#pragma once

#include "proto/common.h"
#include "proto/ctl.h"
#include "proto/gate.h"
#include "proto/job.h"
#include "proto/session.h"

/* clang-format off */
enum proto_type {
	/* ctl socket: client → keepd.  Every request is answered by any number of PROGRESS and DATA, then one END. */
	CTL_QUERY = 0x0100,       /* proto_query              → DATA +fd (JSON lines), END */
	CTL_TRUST_ADD,            /* proto_trust          +fd file → END */
	CTL_TRUST_RM,             /* proto_name               → END */
	CTL_IMPORT,               /* proto_import         +fd bundle; then n_files FILE, then GO */
	CTL_FILE,                 /* proto_file           +fd opened by the caller, read-only */
	CTL_IMPORT_GO,            /* –                        → PROGRESS…, VERDICT, END */
	CTL_REVOKE,               /* proto_name               → END */
	CTL_REMOVE,               /* proto_name               → END */
	CTL_SESSION,              /* proto_session_want       → PROGRESS…, SESSION_OPEN +fd, DATA +fd (layout), END */
	CTL_BEGIN,                /* proto_begin          +fd sealed request; id = request → END (index of the intent) */
	CTL_BUNDLE,               /* proto_index          +fd further bundles of an import, between IMPORT and GO, from index 1 on */
	CTL_POLICY_SET,           /* proto_name           +fd policy file; text = why → END */
	CTL_EXPLAIN,              /* proto_name               → SIGNER…, RULE…, VERDICT, END */
	CTL_WITNESSES,            /* proto_name           +fd witness policy (tlog-policy); text = why → END */
	CTL_COSIGN,               /* –                    +fd checkpoint with cosignatures → END */
	CTL_SIGN,                 /* proto_sign               the next command, of the same id, is signed (no answer of its own) */
	CTL_ROLE_ADD,             /* proto_role               → END (proposed) */
	CTL_ROLE_RM,              /* proto_name               → END (proposed) */
	CTL_LIFT,                 /* proto_name               a quarantined or revoked model → END (proposed) */
	CTL_SERVE,                /* proto_name               a model that waits for approval → END (proposed) */
	CTL_ROTATE,               /* proto_name               text = why; a new key for the log → END (proposed) */
	CTL_DECIDE,               /* proto_decide             approve or reject a proposal → END */
	CTL_LOOK,                 /* proto_look               → PROGRESS…, DATA +fd, END (index: where the next page begins) */
	CTL_REVIEW,               /* –                    +fd sign-off (audit/tlog/review.h) → END */
	CTL_TAKEN,                /* proto_taken              an excerpt was made → END */
	CTL_RETAIN,               /* proto_retain             what is kept, and how long → END */
	CTL_HOLD_ADD,             /* proto_hold               → END */
	CTL_HOLD_RM,              /* proto_name               → END (proposed) */
	CTL_ERASE,                /* proto_name               a subject → END (proposed) */
	CTL_ARCHIVED,             /* proto_archive            a period was written to a medium → END */
	CTL_PRUNE,                /* proto_prune              → END (proposed) */
	CTL_TEXT,                 /* proto_record             → DATA +fd (proto_text, the text), END */
	CTL_EXPORT,               /* proto_name               text = what for, or onto what → DATA +fd (segments), STORED…, END; or END (proposed) */
	CTL_QUOTA_SET,            /* proto_name           +fd quota file (base/quota.h); text = why → END */
	CTL_PLAN,                 /* proto_session_want       what it would take → DATA +fd (proto_plan), END */
	CTL_ACCESS_ADD,           /* proto_access             an API key, or a rule for certificates → END */
	CTL_ACCESS_RM,            /* proto_name               one of them → END */
	CTL_TLS_SET,              /* proto_tls                the gateway has a new certificate → END */
	/* keep-gateway says who asks, and shows why that is so; the session that follows is for that principal */
	CTL_PROVE_PEER,           /* –                    +fd the client's connection to http.sock → PRINCIPAL, END */
	CTL_PROVE_KEY,            /* proto_prove_key          → PRINCIPAL, END */
	CTL_PROVE_CERT,           /* proto_prove_cert         → PRINCIPAL, END */
	CTL_STOP,                 /* proto_name               a session's number or a model, text = why → END */
	CTL_CONSOLE,              /* proto_console            a one-time link to the review console → END */
	CTL_CONSOLE_END,          /* –                        → END: whoever asks is logged in nowhere any more */
	CTL_ENTER,                /* proto_enter              keep-gateway was shown such a link → PRINCIPAL, END */
	CTL_PROVE_LOGIN,          /* proto_prove_key          without a name: what came of it → PRINCIPAL, END */
	/* keepd → client */
	CTL_PROGRESS = 0x0180,    /* proto_progress */
	CTL_DATA,                 /* proto_data           +fd sealed memory file */
	CTL_VERDICT,              /* struct attest_report */
	CTL_SESSION_OPEN,         /* proto_session_open   +fd session socket */
	CTL_END,                  /* proto_end */
	CTL_SIGNER,               /* proto_signer             before VERDICT, as RULE */
	CTL_RULE,                 /* proto_rule */
	CTL_STORED,               /* proto_stored         +fd a file of an exported model, read-only: bundles, then files */
	CTL_PRINCIPAL,            /* proto_principal */

	/* job socket: keepd → keep-attest, one job per connection */
	JOB_BEGIN = 0x0200,       /* proto_job            +fd what the kind says */
	JOB_KEY,                  /* proto_key                a trusted key, n_keys times */
	JOB_SOURCE,               /* proto_file           +fd read-only, n_files times */
	JOB_STAGE,                /* proto_index          +fd where the bytes of that source go; verify jobs only */
	JOB_GO,                   /* – */
	JOB_TRUST,                /* proto_trust          +fd what else vouches: certificates, lists, stamps; n_trust times */
	JOB_BUNDLE,               /* proto_index          +fd further bundles, n_bundles times, from index 1 on */
	JOB_POLICY,               /* –                    +fd absent: the default policy */
	JOB_TABLE,                /* proto_index          +fd explain jobs: 0 the segments, 1 the layout */
	/* keep-attest → keepd */
	JOB_PROGRESS = 0x0280,    /* proto_progress */
	JOB_KEY_INFO,             /* proto_key                key jobs: the canonical key */
	JOB_RESULT,               /* proto_data           +fd segments or layout, only when accepted; before REPORT */
	JOB_REPORT,               /* struct attest_report     the last frame of every job */
	JOB_SIGNER,               /* proto_signer             of each bundle, before REPORT */
	JOB_RULE,                 /* proto_rule               each rule that had a say, before REPORT */

	/* gate socket: keepd → keep-runtime */
	GATE_GRANT = 0x0300,      /* proto_grant          +fd layout; id = grant; then SEGMENTS, n_files FILE, LOAD */
	GATE_SEGMENTS,            /* –                    +fd segments */
	GATE_FILE,                /* proto_index          +fd stored file, read-only */
	GATE_LOAD,                /* – */
	GATE_SESSION,             /* proto_session        +fd session socket; id = session */
	GATE_TICKET,              /* proto_ticket             id = request, strictly increasing in a session */
	GATE_SESSION_END,         /* –                        id = session; its streams end, nothing is sent on it any more */
	GATE_UNLOAD,              /* –                        id = grant */
	GATE_PLAN,                /* proto_grant          +fd layout; id = question: where would it go? Nothing is loaded */
	/* keep-runtime → keepd */
	GATE_LOADING = 0x0380,    /* proto_progress           id = grant */
	GATE_READY,               /* proto_ready              id = grant */
	GATE_LOAD_FAILED,         /* proto_load_failed        id = grant */
	GATE_OUTCOME,             /* proto_outcome            id = request; exactly one for each ticket */
	GATE_UNLOADED,            /* –                        id = grant; its memory has been overwritten */
	GATE_ANSWER,              /* proto_answer         +fd sealed text; id = request; before OUTCOME, when the ticket said so */
	GATE_PLANNED,             /* proto_plan               id = question */
	GATE_BUSY,                /* proto_busy               id = session; when it is another, at most four times a second */

	/* session socket: client → keep-runtime */
	SESSION_REQUEST = 0x0400, /* –                    +fd sealed request; id = request */
	SESSION_CANCEL,           /* –                        id = request */
	/* keep-runtime → client */
	SESSION_TOKENS = 0x0480,  /* proto_tokens             id = request */
	SESSION_RESULT,           /* proto_data           +fd id = request; logits (f32) or ids (u32) */
	SESSION_PROBS,            /* proto_probs              id = request; before the TOKENS with that token, where they were asked for */
	SESSION_DONE,             /* proto_outcome            id = request; the same that keepd records */
};
/* clang-format on */
