/* Cutting text into words before byte-level BPE: what each pre-tokenizer is made of, as the regular expressions of the models have it.
 * The expressions of one line cut one after the other, each the pieces of the one before it.
 *
 * llama-3   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * dbrx      the same
 * qwen2     the same, but each \p{N} alone
 * ufakzeka  as qwen2, but 's is no word
 * seed-coder as qwen2, but no newlines behind others
 * qwen35    as qwen2, and a mark counts as a letter
 * minicpm5  \p{N}{1,3}; llama-3
 * jais-2    llama-3; white space in powers of two, the largest first, up to 512
 * laguna    lines; qwen2
 * gemma4    lines ([^\n]+|\n+)
 * gpt-4o    P?U*V+C?|P?U+V*C?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+ with P [^\r\n\p{L}\p{N}], U letters but for a-z,
 *           V letters but for A-Z, C the apostrophes of llama-3
 * granite   as gpt-4o, and a mark counts as a letter
 * tekken    as gpt-4o without C, and each \p{N} alone
 * youtu     runs of Hangul, of East Asian punctuation, of bopomofo, of ideographs and kana; gpt-4o, where capitals and marks are plain letters
 *           and each \p{N} stands alone
 * kimi-k2   \p{Han}+|P?L+C?|\p{N}{1,3}|... as llama-3, L the other letters
 * exaone    as qwen2, but letters are (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ and others end with [\r\n/]?
 * gpt-2     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * starcoder \p{N}; gpt-2
 * default   [\p{P}$+<=>^~|]+; gpt-2; \p{N}+; [0-9][0-9][0-9]
 * falcon    [\p{P}$+<=>^~|`]+; gpt-2; [0-9][0-9][0-9]
 * poro       ?[^(\s|.,!?…。，、।۔،)]+
 * viking    poro; \p{N}
 * deepseek3 \p{N}{1,3}; runs of ideographs and kana;
 *           [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * deepseek-llm   [\r\n]; \s? and letters with case; \s?[!-/:-~！-／：-～‘-‟　-。]+; \s+$; [一-龥ࠀ-一가-퟿]+; \p{N}+
 * deepseek-coder [\r\n]; \s?\p{L}+; \s?\p{P}+; [一-龥ࠀ-一가-퟿]+; \p{N} */
#include "runtime/tok_pre.h"

static const struct tok_shape shapes[LAYOUT_PRE_COUNT] = {
	[LAYOUT_PRE_DEFAULT] = { { tok_cut_punct_default, tok_cut_gpt2, tok_cut_number_runs,
		tok_cut_triples } },
	[LAYOUT_PRE_LLAMA3] = { { tok_cut_llama3 }, 3, "\r\n", .contractions = true, .whole = true },
	[LAYOUT_PRE_GPT2] = { { tok_cut_gpt2 } },
	[LAYOUT_PRE_DBRX] = { { tok_cut_llama3 }, 3, "\r\n", .contractions = true },
	[LAYOUT_PRE_QWEN2] = { { tok_cut_llama3 }, 1, "\r\n", .contractions = true },
	[LAYOUT_PRE_QWEN35] = { { tok_cut_llama3 }, 1, "\r\n", .contractions = true, .marks = true },
	[LAYOUT_PRE_TEKKEN] = { { tok_cut_gpt4o }, 1, "\r\n/", .whole = true },
	[LAYOUT_PRE_GPT4O] = { { tok_cut_gpt4o }, 3, "\r\n/", .apostrophes = true },
	[LAYOUT_PRE_STARCODER] = { { tok_cut_each_number, tok_cut_gpt2 } },
	[LAYOUT_PRE_DEEPSEEK3] = { { tok_cut_three_numbers, tok_cut_ideographs, tok_cut_deepseek3 }, 0,
		"\r\n", .marks = true, .strays = true },
	[LAYOUT_PRE_FALCON] = { { tok_cut_punct_falcon, tok_cut_gpt2, tok_cut_triples } },
	[LAYOUT_PRE_DEEPSEEK_LLM] = { { tok_cut_each_newline, tok_cut_cased, tok_cut_punct_deepseek,
		tok_cut_tail, tok_cut_cjk_deepseek, tok_cut_number_runs } },
	[LAYOUT_PRE_DEEPSEEK_CODER] = { { tok_cut_each_newline, tok_cut_letters, tok_cut_punct,
		tok_cut_cjk_deepseek, tok_cut_each_number } },
	[LAYOUT_PRE_PORO] = { { tok_cut_poro } },
	[LAYOUT_PRE_VIKING] = { { tok_cut_poro, tok_cut_each_number } },
	[LAYOUT_PRE_GEMMA4] = { { tok_cut_lines } },
	[LAYOUT_PRE_LAGUNA] = { { tok_cut_lines, tok_cut_llama3 }, 1, "\r\n", .contractions = true },
	[LAYOUT_PRE_KIMI_K2] = { { tok_cut_kimi }, 3, "\r\n" },
	[LAYOUT_PRE_SEED_CODER] = { { tok_cut_llama3 }, 1, "", .contractions = true },
	[LAYOUT_PRE_UFAKZEKA] = { { tok_cut_llama3 }, 1, "\r\n" },
	[LAYOUT_PRE_MINICPM5] = { { tok_cut_three_numbers, tok_cut_llama3 }, 3, "\r\n", .contractions = true,
		.whole = true },
	[LAYOUT_PRE_EXAONE_MOE] = { { tok_cut_exaone }, 1 },
	[LAYOUT_PRE_JAIS2] = { { tok_cut_llama3, tok_cut_blanks_by_powers }, 3, "\r\n",
		.contractions = true },
	[LAYOUT_PRE_YOUTU] = { { tok_cut_asian_youtu, tok_cut_gpt4o }, 1, "\r\n/", .marks = true,
		.marks_too = true, .apostrophes = true, .undivided = true, .whole = true },
	[LAYOUT_PRE_GRANITE_MULTI] = { { tok_cut_gpt4o }, 3, "\r\n/", .marks = true, .marks_too = true,
		.apostrophes = true, .whole = true },
};

size_t tok_words_next(struct tok_words *w)
{
	assert(w->pre < LAYOUT_PRE_COUNT && w->at <= w->len);
	const struct tok_shape *shape = &shapes[w->pre];
	size_t end = w->len, from = w->at;
	for (u32 k = 0; k < TOK_PRE_CUTS && shape->cut[k] && from < end; k++) {
		if (w->end[k] <= from)
			w->end[k] =
				from + shape->cut[k]((struct tok_text){ w->text + from, end - from, shape });
		assert(w->end[k] > from && w->end[k] <= end);
		end = w->end[k];
	}
	w->at = end;
	return end - from;
}

bool tok_pre_whole(u32 pre)
{
	assert(pre < LAYOUT_PRE_COUNT);
	return shapes[pre].whole;
}
