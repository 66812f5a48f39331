// clients.mjs SOCKET: other people's clients, unchanged, against a running gateway; all that they are told is where it listens.
// One line for each thing that went well; anything else throws.
import assert from "node:assert/strict";
import { Agent, fetch as undiciFetch } from "undici";
import OpenAI from "openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";
import Anthropic from "@anthropic-ai/sdk";

const dispatcher = new Agent({ connect: { socketPath: process.argv[2] } });
const fetch = (url, init) => undiciFetch(url, { ...init, dispatcher });
const baseURL = "http://keep/v1", apiKey = "none", question = "What is Keep?";
const told = (who, what) => console.log(`${who}: ${what}`);

async function openai() {
  const client = new OpenAI({ baseURL, apiKey, fetch, maxRetries: 0 });
  const ask = { model: "demo", messages: [{ role: "user", content: question }], temperature: 0, max_tokens: 24 };
  const models = await client.models.list();
  assert.deepEqual(models.data.map((m) => m.id), ["demo"]);
  told("openai", "models");
  const whole = await client.chat.completions.create(ask);
  const text = whole.choices[0].message.content;
  assert.ok(text.length > 0 && whole.usage.total_tokens > 0);
  assert.equal(whole._request_id, `keep-${whole.keep.index}`);
  told("openai", "chat");
  let streamed = "", usage;
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
    streamed += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(streamed, text);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
  told("openai", "stream");
  const held = await client.chat.completions.create({ ...ask, max_tokens: 60, response_format: { type: "json_schema",
    json_schema: { name: "n", schema: { type: "object", properties: { n: { type: "boolean" } }, required: ["n"], additionalProperties: false } } } });
  assert.equal(typeof JSON.parse(held.choices[0].message.content).n, "boolean");
  told("openai", "schema");
  assert.ok((await client.completions.create({ model: "demo", prompt: "Keep is", max_tokens: 8 })).choices[0].text.length > 0);
  told("openai", "completion");
  await assert.rejects(client.chat.completions.create({ ...ask, model: "nobody" }), (e) => e instanceof OpenAI.NotFoundError && /^req-/.test(e.requestID));
  await assert.rejects(client.chat.completions.create({ ...ask, temperature: -1 }), (e) => e instanceof OpenAI.BadRequestError && e.param === "temperature");
  told("openai", "errors");
  const stream = await client.chat.completions.create({ ...ask, max_tokens: 400, temperature: 2, seed: 1, stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
  told("openai", "abort");
}

async function responses() {
  const client = new OpenAI({ baseURL, apiKey, fetch, maxRetries: 0 });
  const ask = { model: "demo", input: question, temperature: 0, max_output_tokens: 24 };
  const whole = await client.responses.create(ask);
  assert.ok(whole.output_text.length > 0 && whole.usage.total_tokens > 0);
  told("openai", "response");
  const last = await client.responses.stream(ask).finalResponse();
  assert.equal(last.output_text, whole.output_text);
  assert.equal(last.status, whole.status);
  told("openai", "response streamed");
}

async function aiSdk() {
  const model = createOpenAICompatible({ name: "keep", baseURL, apiKey, fetch }).chatModel("demo");
  const prompt = [{ role: "user", content: [{ type: "text", text: question }] }];
  const { content, usage } = await model.doGenerate({ prompt, temperature: 0, maxOutputTokens: 24 });
  assert.ok(content[0].text.length > 0 && usage);
  told("ai-sdk", "generate");
  const { stream } = await model.doStream({ prompt, temperature: 0, maxOutputTokens: 24 });
  let streamed = "", finish;
  for await (const part of stream) {
    if (part.type === "text-delta") streamed += part.delta;
    if (part.type === "finish") finish = part.finishReason;
    assert.notEqual(part.type, "error");
  }
  assert.equal(streamed, content[0].text);
  assert.ok(finish);
  told("ai-sdk", "stream");
}

async function langchain() {
  const model = new ChatOpenAI({ model: "demo", temperature: 0, maxTokens: 24, apiKey, configuration: { baseURL, fetch }, maxRetries: 0 });
  const whole = await model.invoke(question);
  assert.ok(whole.content.length > 0 && whole.usage_metadata.total_tokens > 0);
  told("langchain", "invoke");
  let streamed = "";
  for await (const chunk of await model.stream(question)) streamed += chunk.content;
  assert.equal(streamed, whole.content);
  told("langchain", "stream");
}

async function anthropic() {
  const client = new Anthropic({ baseURL: "http://keep", apiKey, fetch, maxRetries: 0 });
  const ask = { model: "demo", messages: [{ role: "user", content: question }], temperature: 0, max_tokens: 24 };
  const whole = await client.messages.create(ask);
  assert.ok(whole.content[0].text.length > 0 && whole.usage.output_tokens > 0);
  assert.equal(whole._request_id, `keep-${whole.keep.index}`);
  told("anthropic", "message");
  const last = await client.messages.stream(ask).finalMessage();
  assert.deepEqual(last.content.map((b) => b.text), whole.content.map((b) => b.text));
  assert.equal(last.stop_reason, whole.stop_reason);
  told("anthropic", "stream");
  assert.ok((await client.messages.countTokens({ model: "demo", messages: ask.messages })).input_tokens > 0);
  told("anthropic", "count");
  await assert.rejects(client.messages.create({ ...ask, model: "nobody" }), (e) => e instanceof Anthropic.NotFoundError && /^req-/.test(e.requestID));
  told("anthropic", "errors");
}

await openai();
await responses();
await aiSdk();
await langchain();
await anthropic();
await dispatcher.close();
