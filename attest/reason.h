/* Why a verdict is what it is. Every refusal that attest can speak has one code; the table of names and sentences is in reason.c,
 * and tests/vectors holds at least one input for each code that a file can provoke. Codes are stored in the log: append, never renumber. */
#pragma once

#include "proto.h"

enum attest_reason {
	ATTEST_REASON_NONE = 0,

	/* the bundle, before the signature */
	ATTEST_SIZE_LIMIT = 1,	     /* larger than Keep reads */
	ATTEST_UTF8 = 2,	     /* not UTF-8 */
	ATTEST_JSON = 3,	     /* not one JSON object, or bytes behind it */
	ATTEST_DUPLICATE_KEY = 4,    /* an object names a key twice */
	ATTEST_DEPTH_LIMIT = 5,	     /* nested too deep */
	ATTEST_FIELD = 6,	     /* a field is missing, unknown or of the wrong type */
	ATTEST_MEDIA_TYPE = 7,	     /* not a Sigstore bundle */
	ATTEST_METHOD = 8,	     /* a signing method that this build does not verify */
	ATTEST_MATERIAL = 9,	     /* verification material that does not fit its method */
	ATTEST_BASE64 = 10,	     /* not canonical base64 */
	ATTEST_PAYLOAD_TYPE = 11,    /* the envelope holds something else than a statement */
	ATTEST_SIGNATURE_COUNT = 12, /* not exactly one signature */
	ATTEST_KEY_HINT = 13,	     /* the hint is no fingerprint, or its parts disagree */

	/* keys and the signature */
	ATTEST_KEY = 20,	   /* not a usable key: unreadable, wrong algorithm or curve */
	ATTEST_UNKNOWN_KEY = 21,   /* no trusted key has the fingerprint that the bundle names */
	ATTEST_SIGNATURE = 22,	   /* the signature does not fit key and statement */
	ATTEST_SIGNATURE_DER = 23, /* the signature is not exact DER */

	/* the statement, after the signature held */
	ATTEST_STATEMENT = 30,	    /* not an in-toto statement v1 */
	ATTEST_PREDICATE_TYPE = 31, /* a statement about something else than a model's files */
	ATTEST_SUBJECT = 32,	    /* not exactly one named subject with a SHA-256 */
	ATTEST_SERIALIZATION = 33,  /* method neither files nor shards, or its fields are wrong */
	ATTEST_HASH_TYPE = 34,	    /* a digest that this build does not compute */
	ATTEST_SHARD = 35,	    /* shards with a gap, an overlap, a wrong length or a malformed range */
	ATTEST_IGNORE_PATH = 36,    /* an ignore path that is absolute, a pattern, or leads upwards */
	ATTEST_RESOURCE = 37,	    /* a resource without proper name, algorithm and digest */
	ATTEST_PATH = 38,	    /* a name that is not relative, plain UTF-8 */
	ATTEST_DUPLICATE_FILE = 39, /* one file listed twice */
	ATTEST_ROOT_DIGEST = 40,    /* the subject's digest is not that of the list */
	ATTEST_EMPTY_MODEL = 41,    /* no file */
	ATTEST_FILE_LIMIT = 42, /* more files, directories below each other or bytes than a model may have */

	/* the files */
	ATTEST_MISSING_FILE = 50, /* signed and not there */
	ATTEST_EXTRA_FILE = 51,	  /* there and not signed */
	ATTEST_SYMLINK = 52,	  /* a symbolic link */
	ATTEST_SPECIAL_FILE = 53, /* neither a file nor a directory */
	ATTEST_DIGEST = 54,	  /* the bytes are not the ones that were signed */
	ATTEST_CHANGED = 55,	  /* the file changed while it was read */
	ATTEST_EMPTY_FILE = 56,	  /* an empty file cannot be signed in shards */
	ATTEST_TRANSFER = 57,	  /* an archive that is no transfer of a model (transfer.h) */

	/* certificates, before the signature */
	ATTEST_CERTIFICATE = 100, /* not an X.509 v3 certificate in exact DER */
	ATTEST_CHAIN = 101,	  /* no path from the leaf to a pinned root */
	ATTEST_EXPIRED = 102,	  /* a link of the path has expired at the judged time */
	ATTEST_NOT_YET = 103,	  /* a link of the path is not valid yet at the judged time */
	ATTEST_EKU = 104,	  /* a link is for other purposes than code signing */
	ATTEST_KEY_USAGE = 105,	  /* a leaf that must not sign data or may issue, a CA that must not issue */
	ATTEST_WEAK_KEY = 106,	  /* a link's key is weaker than RSA 3072 or P-256 */
	ATTEST_WEAK_HASH = 107,	  /* a link is signed over less than SHA-256 */
	ATTEST_PATH_LENGTH = 108, /* more CAs in the path than one of them allows */
	ATTEST_NAME_CONSTRAINT = 109,	 /* a name that a CA of the path may not vouch for */
	ATTEST_CRITICAL_EXTENSION = 110, /* a critical extension that Keep does not interpret */
	ATTEST_REVOKED = 111,		 /* a link was revoked by its issuer */
	ATTEST_CRL = 112,		 /* a revocation list that is unreadable, forged or incomplete */
	ATTEST_CRL_STALE = 113,		 /* a revocation list that is not current at the judged time */
	ATTEST_CRL_MISSING = 114,	 /* lists were brought, and none of an issuer of the path */
	ATTEST_IDENTITY = 115, /* the leaf leads to a root and names somebody else than the pinned identity */
	ATTEST_TIMESTAMP =
		116, /* a time stamp of a pinned authority that does not hold, or none where one is needed */

	/* keyless: what a transparency log and a trusted-root file say */
	ATTEST_TRUSTED_ROOT = 117, /* a trusted-root file that contradicts itself or trusts nobody */
	ATTEST_LOG_UNKNOWN = 118,  /* an entry of a log that the trusted root does not hold, or not then */
	ATTEST_LOG_PROOF = 119,	   /* an entry that its log's signed checkpoint does not include */
	ATTEST_LOG_PROMISE = 120,  /* a promise to include that the log did not sign */
	ATTEST_LOG_ENTRY = 121,	   /* an entry about another signature, certificate or statement */
	ATTEST_SCT = 122,	   /* a leaf that no trusted certificate log vouches for */
	ATTEST_SIGNING_TIME = 123, /* nothing signed says when the bundle was signed, or it lies ahead */

	/* the policy */
	ATTEST_POLICY = 60,  /* no section of the policy speaks for the model, or the policy cannot be read */
	ATTEST_SIGNERS = 61, /* not as many distinct signers, in their roles, as the policy asks for */
	ATTEST_DENIED = 62,  /* a key, certificate, bundle, model or file that the policy denies */
	ATTEST_LICENCE = 63, /* a licence that the policy does not allow, or that cannot be told */
	ATTEST_SEQUENCE = 64,	/* older than the policy allows, or without a sequence */
	ATTEST_COSIGNED = 65,	/* the bundles do not sign the same files */
	ATTEST_TRUST_ROOT = 66, /* a file that is not what its kind of trust root needs */

	/* the model's header */
	ATTEST_SEGMENTS = 70,	       /* the segment table is malformed */
	ATTEST_GGUF_NONE = 71,	       /* no .gguf file */
	ATTEST_GGUF_MAGIC = 72,	       /* does not begin as a GGUF file */
	ATTEST_GGUF_VERSION = 73,      /* another version than 3 */
	ATTEST_GGUF_TRUNCATED = 74,    /* the file ends within its header */
	ATTEST_GGUF_LIMIT = 75,	       /* a count or length over Keep's limit */
	ATTEST_GGUF_KEY = 76,	       /* a metadata key that is empty, too long, not ASCII, or there twice */
	ATTEST_GGUF_VALUE = 77,	       /* a metadata value of an unknown, nested or wrong type */
	ATTEST_GGUF_MISSING_KEY = 78,  /* a metadata key that the architecture needs */
	ATTEST_GGUF_ARCHITECTURE = 79, /* an architecture that Keep does not compute */
	ATTEST_GGUF_EXPERTS = 80,      /* experts whose numbers or routing Keep does not compute */
	ATTEST_GGUF_HYPERPARAMETER = 81, /* a hyper-parameter out of range, or two that disagree */
	ATTEST_GGUF_TENSOR_NAME = 82,  /* a tensor name that is empty, too long, not ASCII, or there twice */
	ATTEST_GGUF_TENSOR_TYPE = 83,  /* a tensor type that Keep does not compute with */
	ATTEST_GGUF_TENSOR_SHAPE = 84, /* a shape that is impossible, or not the architecture's */
	ATTEST_GGUF_TENSOR_MISSING = 85, /* a tensor that the architecture needs */
	ATTEST_GGUF_TENSOR_EXTRA = 86,	 /* a tensor that the architecture does not have */
	ATTEST_GGUF_ALIGNMENT =
		87,		  /* an alignment that is no power of two, or an offset that is not aligned */
	ATTEST_GGUF_OFFSET = 88,  /* a tensor that reaches beyond its file */
	ATTEST_GGUF_OVERLAP = 89, /* two tensors that share bytes */
	ATTEST_GGUF_SPLIT = 90,	  /* .gguf files that are not one complete set */
	ATTEST_GGUF_TOKENIZER = 91,	/* a tokenizer that Keep does not have */
	ATTEST_GGUF_PRE_TOKENIZER = 92, /* a pre-tokenizer that Keep does not have */
	ATTEST_GGUF_VOCAB = 93, /* tokens, scores, types, merges or special tokens that do not fit together */
	ATTEST_GGUF_TEMPLATE = 94, /* a chat template that is too long or not text */
};

/* "digest". NULL for a number that is no reason. */
const char *attest_reason_code(u32 reason);
/* "the bytes are not the ones that were signed". NULL for a number that is no reason. */
const char *attest_reason_text(u32 reason);
/* Walk the table: the i-th reason, 0 after the last. */
u32 attest_reason_at(size_t i);
