// Teaches a word from the job of a JSON file ({model, vectors, has, word, out}), writes the model, and prints the result.

import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { load, safetensorsOf, taughtBundle, teach } from "../src/index.js";

const { model, vectors, has, word, out } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const tagger = await load(pathToFileURL(model), { fetch: async (url) => new Response(readFileSync(url)) });
const taught = await teach(
  tagger,
  word,
  vectors.map((vector) => Float32Array.from(vector)),
  has,
);
const bundle = await taughtBundle(tagger.bundle, taught, "my-word");
writeFileSync(`${out}/card.json`, JSON.stringify(bundle.card));
writeFileSync(`${out}/weights.safetensors`, safetensorsOf(bundle.tensors));
const own = await tagger.withHead(bundle);
const sound = { silent: false, durationSeconds: 1 };
const predictions = await Promise.all(vectors.map((vector) => own.predict(Float32Array.from(vector), sound)));
console.log(JSON.stringify({ ...taught, probabilities: predictions.map(({ probabilities }) => probabilities[0]) }));
