/* Printed by `tests/quants/peer BUILD print`: SHA-256 of the float32 that ggml decodes from the blocks of test_quants. */
#pragma once

/* clang-format off */
static const char *const peer_digests[][2] = {
	{ "Q8_0", "80d2258192ce236c21e69c853bc3407cc421455e7d999185d30ecad7df6a4bc7" },
	{ "Q4_0", "9b82241eb8419108f44ff5c24a1ad923b287397d5fccf82beeaa91b89b3aeee2" },
	{ "Q4_K", "bd17e86fd838c562eb3e090499d56562ff31f97b5fff16fe07eef75c42d426d2" },
	{ "Q5_K", "b09bd0cff94751a383bbb4689333505515e71d158a2e03eab07a7c21e5c14225" },
	{ "Q6_K", "7b056c3d412946acbab796a8e63f2676ad41bf2acbef719bc1da711313944d28" },
	{ "Q4_1", "bf620fd5deaa7147d16234fd0104f3e515aa6ce2c39b8bafe8f396e636180004" },
	{ "Q5_0", "a524333bb2b4d06c17b0454d27f0ca0d59c509711592e409c27d699c7bb62606" },
	{ "Q5_1", "f26372a5ca63cbedf4bec73e4d1abc5bb9c6e47937f39c3c8e04bd74b4dde06b" },
	{ "Q2_K", "ba1d3e7af8ecb66d8fdd876b097d65fdb275ac353bce22e05b8114a5f0b6e25e" },
	{ "Q3_K", "8b512de5869c0c205440697205f11ebaa69869d52cb49c2bfeacb5d54f181aeb" },
	{ "IQ4_NL", "e5f5031c0ba13d3c4d3e18371e0e6fe9b006aa3b3c73361828fdca10d77f168d" },
	{ "IQ4_XS", "eb995589ae58a63e70316248fa37c063bae77401b4498a916ccf9c33eed3b6c8" },
	{ "IQ2_XXS", "38de2f6a45e482202c51ffd700a681bc9883ea1829cc19fbb6dd2614e4700729" },
	{ "IQ2_XS", "d15d9fac5399196b21684ec03915c3f31084ba772a7d800fe9c110883dee2cd8" },
	{ "IQ2_S", "63836b91fc1e10775eed08f9c3c671764e34a9dc8cbd99e4abdf2c558e06f194" },
	{ "IQ3_XXS", "c9cdd5cf5b5f56e980d41f75ac759330eb4a35327605cfe389cd84b9819d50e9" },
	{ "IQ3_S", "46e076d27ee88851089e2512da1d2fb35cfb7f4d592dd961a563dddaf589e1f5" },
	{ "IQ1_S", "5621c17e615aea9b04aa22a75a888969f8b5971414e6b2a84275254aa6472ba7" },
	{ "IQ1_M", "12e03cc1bcf82c848a2d0c3a8b2476f711c903d742ee9457b67c878a49049998" },
	{ "TQ1_0", "1edd970e794eca9f808ed6470d3dea129a7df01793b931bec2b375464d93eb1e" },
	{ "TQ2_0", "e6da709d3c96854e0ac5ec96752e41464362fb83caa00c6fa7a22e0e9340bdf4" },
	{ "NVFP4", "dfa766258408959d3ba27a36e7d8fdc90b48d422ef7dba4a34c4b13add63db1e" },
	{ "MXFP4", "878119eea6a77c35c6eb525b8e4bca7b7bdebdc342909a77d21d333e65134846" },
};
/* clang-format on */
