// Prints, for the jobs of a JSON file ({model, samples, rate}), what `Prediction` and evidence say, a line of JSON each.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { load } from "../src/index.js";

const files = async (url) => new Response(readFileSync(url));

for (const { model, samples, rate } of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const tagger = await load(pathToFileURL(model), { fetch: files });
  const sound = { samples: new Float32Array(readFileSync(samples).buffer), sampleRate: rate };
  const overTime = { windowSeconds: 5, hopSeconds: 2.5 };
  const prediction = await tagger.tag(sound, { overTime, keepFeatures: true });
  const record = {
    ...prediction.toRecord("sound", "test", "array"),
    distance: prediction.distance,
    embedding: [...prediction.vector],
    promised: prediction.promised.map(({ label }) => label),
    evidence: await tagger.explainer.explain(prediction.vector, prediction.features),
    stretch: await tagger.explainer.explainStretch(prediction.features, 2, 6),
  };
  console.log(JSON.stringify(record));
}
