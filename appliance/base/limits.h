/* Every limit of Keep, each with its unit and its reason. tests/unit and tests/vectors stand one past each. */
#pragma once

/* names and paths */
#define NAME_LEN_MAX \
	64u /* characters of a model's or trust root's name; fits a record line and a terminal column */
#define PATH_LEN_MAX   511u /* bytes of a file's name inside a model; deeper trees are not published */
#define REASON_LEN_MAX 255u /* bytes of a reason text in a frame */

/* the wire */
#define IPC_FRAME_BYTES_MAX 4096u  /* payloads are structs; bulk data goes by memory file */
#define IPC_CLIENTS_MAX	    64u	   /* ctl connections that keepd serves at once */
#define IPC_SESSIONS_MAX    256u   /* sessions of all grants together */
#define TICKETS_WAITING_MAX 64u	   /* tickets or requests of one session that wait for their other half */
#define TICKET_WAIT_MS_MAX  10000u /* an unticketed REQUEST is refused after this long */

/* models */
#define MODEL_FILES_MAX 1024u	     /* files of one model; GLM-class models come in some hundred shards */
#define MODEL_BYTES_MAX (4ull << 40) /* bytes of one model; the largest published one has 1.5 TB */
#define SEGMENT_BYTES	(1u << 20)   /* unit of load-time verification; 32 bytes of digest per MiB */
#define BUNDLE_BYTES_MAX \
	(64u << 20) /* bytes of a signature bundle; sharded manifests of terabyte models reach 20 MB */
#define JSON_DEPTH_MAX	  64u	/* nesting of any JSON that a stranger wrote */
#define TRUST_KEYS_MAX	  64u	/* trusted publisher keys of one appliance */
#define MODELS_MAX	  1024u /* models in one store */
#define KEY_DER_BYTES_MAX 256u	/* DER SubjectPublicKeyInfo: P-521 needs 158 */

/* model headers and layouts */
#define GGUF_HEADER_BYTES_MAX \
	(256u << 20) /* metadata and tensor infos of one file; vocabularies of 260 k tokens take 12 MB */
#define GGUF_KV_MAX	      65536u	 /* metadata entries of one file */
#define GGUF_STRING_BYTES_MAX (1u << 20) /* one metadata string; chat templates reach 17 kB */
#define GGUF_ARRAY_LEN_MAX \
	(1u << 22) /* elements of a metadata array; merges of large vocabularies reach 500 k */
#define LAYOUT_BYTES_MAX    (256u << 20) /* bytes of a layout */
#define TENSORS_MAX	    65536u	 /* tensors of one model */
#define TENSOR_NAME_LEN_MAX 63u		 /* bytes of a tensor's name, as in GGML */
#define VOCAB_MAX	    (1u << 20)	 /* tokens of a vocabulary */
#define TOKEN_BYTES_MAX	    1024u	 /* bytes of one token's text */
#define TEMPLATE_BYTES_MAX  (256u << 10) /* bytes of a chat template */
#define LAYERS_MAX	    512u	 /* transformer blocks */
#define DIM_MAX		    (1u << 18)	 /* any row length: hidden, feed-forward, heads * head size */
#define HEADS_MAX	    1024u	 /* attention heads of a layer */
#define HEAD_DIM_MAX	    512u	 /* elements of one head */

/* requests */
#define CTX_TOKENS_MAX (1u << 20) /* positions of one context */
#define CTX_TOKENS_DEFAULT \
	4096u /* positions when nobody says otherwise, if the model was trained on as many */
#define REQUEST_BYTES_MAX  (16u << 20) /* bytes of a sealed request */
#define REQUEST_PIECES_MAX 65536u      /* pieces of a prompt */
#define STOPS_MAX	   16u	       /* stop strings of a request */
#define STOP_BYTES_MAX	   256u	       /* bytes of one stop string */
#define BATCH_REQUESTS_MAX 64u	       /* requests computed at once */

/* the log */
#define RECORD_BYTES_MAX  8192u	     /* bytes of one record; a C2SP entry may have 65,535 */
#define LOG_RESERVE_BYTES (8u << 20) /* disk kept free for outcomes, the auditor and the officer */
